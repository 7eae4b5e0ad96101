//! Certificates made from nothing but a seed, a log and an index, in a few microseconds each.
//!
//! They have every field a web certificate has, and each precertificate, leaf and issuer key hash fit
//! together exactly. Two things are signatures in form only, because nothing could sign as many: that
//! of the certificate, and those of its embedded SCTs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ct::leaf::EntryType;
use ct::{Hash, LogId};

use crate::config::Named;
use crate::log::schedule::Schedule;
use crate::pki::authority::{self, Authorities, Issuer, KEY_ID_LENGTH, SignatureKind};
use crate::pki::key::{self, Curve};
use crate::pki::names::Names;
use crate::pki::random::Random;
use crate::pki::{der, extension, oid};

/// Of a thousand entries, how many are precertificates.
const PRECERTIFICATES: usize = 620;
/// A final certificate follows its precertificate at this distance, where there is one.
const PAIR_DISTANCE: u64 = 97;
/// Of a thousand subscribers, how many have an elliptic curve key; the others have RSA.
const ELLIPTIC: usize = 640;
/// CAs date certificates back a little, against slow clocks.
const BACKDATED: i64 = 3_510;

const SUBJECTS: &[[&str; 4]] = &[
    ["DE", "Bayern", "Augsburg", "Fugger & Söhne Handels GmbH"],
    ["GB", "Kent", "Whitstable", "Oyster Bay Logistics Ltd"],
    ["US", "Oregon", "Astoria", "Columbia Bar Pilots, Inc."],
    ["JP", "Kanagawa", "鎌倉市", "株式会社みなと"],
    ["FR", "Finistère", "Concarneau", "Thoniers Réunis SA"],
    ["BR", "São Paulo", "Santos", "Café do Porto Ltda."],
];

/// Makes the certificates of one log.
#[derive(Debug)]
pub(crate) struct Generator {
    seed: u64,
    /// Sets this log's numbers apart from every other's.
    stream: u64,
    log_id: LogId,
    pub(crate) schedule: Schedule,
    authorities: Arc<Authorities>,
    planted: BTreeMap<u64, String>,
    named: Option<Named>,
}

/// One entry as drawn; kept between entries to save its buffers.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    /// The certificate of an X.509 entry, the TBS certificate of a precertificate entry.
    pub(crate) leaf: Vec<u8>,
    /// The precertificate as submitted; empty for an X.509 entry.
    pub(crate) precertificate: Vec<u8>,
    fields: Vec<u8>,
    extensions: Vec<u8>,
    tbs: Vec<u8>,
    names: Names,
}

impl Generator {
    pub(crate) fn new(
        seed: u64,
        stream: u64,
        log_id: LogId,
        schedule: Schedule,
        authorities: Arc<Authorities>,
    ) -> Self {
        let (planted, named) = (BTreeMap::new(), None);
        Self { seed, stream, log_id, schedule, authorities, planted, named }
    }

    /// Gives the certificates of these entries the names, in place of those drawn.
    pub(crate) fn planting(self, planted: BTreeMap<u64, String>) -> Self {
        Self { planted, ..self }
    }

    /// Issues some of the certificates for this domain.
    pub(crate) fn named(self, named: Option<Named>) -> Self {
        Self { named, ..self }
    }

    /// Returns the type of entry `content`.
    pub(crate) fn entry_type(&self, content: u64) -> EntryType {
        // A number apart from the certificate's own, so that it is cheap to ask of a neighbour.
        match Random::of(self.seed ^ u64::MAX, self.stream, content).chance(PRECERTIFICATES) {
            true => EntryType::Precert,
            false => EntryType::X509,
        }
    }

    /// Writes entry `content` into `draft`; returns its type and its issuer.
    pub(crate) fn draw(&self, content: u64, draft: &mut Draft) -> (EntryType, &Issuer) {
        let entry_type = self.entry_type(content);
        let origin = self.origin(entry_type, content);
        let mut random = Random::of(self.seed, self.stream, origin);
        let issuer = self.authorities.pick(&mut random);
        let issued = self.schedule.timestamp(origin);
        draft.names.draw(&mut random);
        if let Some(name) = self.planted.get(&origin).or_else(|| self.planted.get(&content)) {
            draft.names.plant(name, &[]);
        } else if let Some(Named { domain, every }) = &self.named {
            // Each log at a time of its own.
            if origin.wrapping_add(self.stream).is_multiple_of(*every) {
                draft.names.plant(domain, &["www"]);
            }
        }
        draft.write_fields(self, issuer, issued, &mut random);
        match entry_type {
            EntryType::Precert => draft.write_precertificate(issuer, &mut random),
            EntryType::X509 => draft.write_certificate(issuer, self.log_id, issued, &mut random),
        }
        (entry_type, issuer)
    }

    /// The entry whose number decides what this certificate says: for a final certificate with a
    /// precertificate in this log, that precertificate's.
    fn origin(&self, entry_type: EntryType, content: u64) -> u64 {
        match (entry_type, content.checked_sub(PAIR_DISTANCE)) {
            (EntryType::X509, Some(before)) if self.entry_type(before) == EntryType::Precert => {
                before
            }
            _ => content,
        }
    }
}

impl Draft {
    /// Writes what precertificate and certificate have in common: all fields up to the extensions,
    /// and the extensions but the last.
    fn write_fields(
        &mut self,
        generator: &Generator,
        issuer: &Issuer,
        issued: u64,
        random: &mut Random,
    ) {
        let not_before = (issued / 1000) as i64 - BACKDATED;
        let fields = &mut self.fields;
        fields.clear();
        authority::version_3(fields);
        der::nest(fields, der::INTEGER, |out| {
            let start = out.len();
            random.append(16, out);
            out[start] = out[start] & 0x3f | 0x40;
        });
        issuer.signature.put_algorithm(fields);
        fields.extend_from_slice(&issuer.name);
        authority::validity(fields, [not_before, not_before + issuer.lifetime - 1]);
        let has_subject = put_subject(fields, issuer, &self.names, random);
        let (key_id, usage) = put_public_key(fields, generator, random);

        let extensions = &mut self.extensions;
        extensions.clear();
        extension::key_usage(extensions, usage);
        let purposes = [oid::SERVER_AUTH, oid::CLIENT_AUTH];
        let purposes = if random.chance(400) { &purposes[..] } else { &purposes[..1] };
        extension::extended_key_usage(extensions, purposes);
        extension::not_a_ca(extensions);
        extension::subject_key_id(extensions, &key_id[..KEY_ID_LENGTH]);
        extensions.extend_from_slice(&issuer.authority);
        // Critical where nothing else names the subject (RFC 5280 section 4.2.1.6).
        extension::put(extensions, oid::SUBJECT_ALT_NAME, !has_subject, |out| {
            der::value(out, der::SEQUENCE, &self.names.general_names);
        });
        extensions.extend_from_slice(&issuer.policies);
    }

    fn write_precertificate(&mut self, issuer: &Issuer, random: &mut Random) {
        self.leaf.clear();
        put_tbs(&mut self.leaf, &self.fields, &self.extensions);
        extension::put(&mut self.extensions, oid::POISON, true, |out| {
            out.extend_from_slice(&[0x05, 0x00]);
        });
        self.tbs.clear();
        put_tbs(&mut self.tbs, &self.fields, &self.extensions);
        self.precertificate.clear();
        put_signed(&mut self.precertificate, &self.tbs, issuer.signature, random);
    }

    fn write_certificate(
        &mut self,
        issuer: &Issuer,
        log_id: LogId,
        issued: u64,
        random: &mut Random,
    ) {
        extension::put(&mut self.extensions, oid::SCT_LIST, false, |out| {
            der::nest(out, der::OCTET_STRING, |out| {
                let others = LogId(random.hash());
                put_sct_list(out, [(log_id, issued), (others, issued + 180)], random);
            });
        });
        self.tbs.clear();
        put_tbs(&mut self.tbs, &self.fields, &self.extensions);
        self.precertificate.clear();
        self.leaf.clear();
        put_signed(&mut self.leaf, &self.tbs, issuer.signature, random);
    }
}

/// Appends the subject; returns whether there is anything in it.
fn put_subject(out: &mut Vec<u8>, issuer: &Issuer, names: &Names, random: &mut Random) -> bool {
    let start = out.len();
    der::nest(out, der::SEQUENCE, |out| {
        if issuer.names_organization {
            let [country, state, locality, organization] = SUBJECTS[random.below(SUBJECTS.len())];
            extension::attribute(out, oid::COUNTRY, country.as_bytes());
            extension::attribute(out, oid::STATE, state.as_bytes());
            extension::attribute(out, oid::LOCALITY, locality.as_bytes());
            extension::attribute(out, oid::ORGANIZATION, organization.as_bytes());
        }
        if !names.common_name.is_empty() {
            extension::attribute(out, oid::COMMON_NAME, names.common_name.as_bytes());
        }
    });
    out.len() - start > 2
}

/// Appends the `SubjectPublicKeyInfo`; returns the key identifier and the key usage that goes with it.
fn put_public_key(
    out: &mut Vec<u8>,
    generator: &Generator,
    random: &mut Random,
) -> (Hash, [u8; 2]) {
    if random.chance(ELLIPTIC) {
        let keys = &generator.authorities.subscriber_keys;
        let (spki, key_id) = &keys[random.below(keys.len())];
        out.extend_from_slice(spki);
        return (*key_id, extension::DIGITAL_SIGNATURE);
    }
    let modulus = authority::rsa_modulus(random);
    key::rsa_spki(out, |out| key::rsa_public_key(out, &modulus));
    (ct::sha256(&modulus), extension::DIGITAL_SIGNATURE_KEY_ENCIPHERMENT)
}

fn put_tbs(out: &mut Vec<u8>, fields: &[u8], extensions: &[u8]) {
    der::nest(out, der::SEQUENCE, |out| {
        out.extend_from_slice(fields);
        der::nest(out, der::context_constructed(3), |out| {
            der::value(out, der::SEQUENCE, extensions);
        });
    });
}

/// Appends the certificate: `tbs` and random bytes in the form of a signature.
fn put_signed(out: &mut Vec<u8>, tbs: &[u8], signature: SignatureKind, random: &mut Random) {
    der::nest(out, der::SEQUENCE, |out| {
        out.extend_from_slice(tbs);
        signature.put_algorithm(out);
        der::bit_string(out, |out| match signature {
            SignatureKind::Ecdsa(Curve::P256) => put_ecdsa(out, 32, random),
            SignatureKind::Ecdsa(Curve::P384) => put_ecdsa(out, 48, random),
            SignatureKind::Rsa2048 => random.append(256, out),
        });
    });
}

/// Appends an `ECDSA-Sig-Value` (RFC 3279 section 2.2.3) of two random positive numbers.
fn put_ecdsa(out: &mut Vec<u8>, bytes: usize, random: &mut Random) {
    der::nest(out, der::SEQUENCE, |out| {
        for _ in 0..2 {
            der::nest(out, der::INTEGER, |out| {
                let start = out.len();
                random.append(bytes, out);
                out[start] = out[start] & 0x3f | 0x40;
            });
        }
    });
}

/// Appends a `SignedCertificateTimestampList` (RFC 6962 section 3.3) of these logs and times.
fn put_sct_list(out: &mut Vec<u8>, scts: [(LogId, u64); 2], random: &mut Random) {
    /// version 1 + log id 32 + timestamp 8 + extensions' length 2 + algorithms 2 + signature's length 2
    const FIXED: u16 = 47;
    /// Two INTEGERs of 32 bytes in a SEQUENCE.
    const SIGNATURE: u16 = 70;
    out.extend_from_slice(&(2 * (2 + FIXED + SIGNATURE)).to_be_bytes());
    for (LogId(id), timestamp) in scts {
        out.extend_from_slice(&(FIXED + SIGNATURE).to_be_bytes());
        out.push(0);
        out.extend_from_slice(&id);
        out.extend_from_slice(&timestamp.to_be_bytes());
        out.extend_from_slice(&[0, 0, 4, 3]);
        out.extend_from_slice(&SIGNATURE.to_be_bytes());
        put_ecdsa(out, 32, random);
    }
}

#[cfg(test)]
mod tests;
