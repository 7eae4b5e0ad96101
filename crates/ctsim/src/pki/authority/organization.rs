//! The organisations behind the CAs, and how each sets up its own.

use ct::Hash;

use super::{DAY, Issuer, KEY_ID_LENGTH, SEED, SignatureKind, SigningCa, Subject, rsa_modulus};
use crate::pki::key::{self, Curve, KeyError};
use crate::pki::random::Random;
use crate::pki::{extension, oid};

/// The plan of an issuing CA.
pub(super) struct Plan {
    common_name: &'static str,
    signature: SignatureKind,
    weight: usize,
    days: i64,
}

/// One organisation with its issuing CAs.
pub(super) struct Organization {
    country: &'static str,
    name: &'static str,
    host: &'static str,
    root: (&'static str, &'static [u8]),
    intermediate: Option<(&'static str, &'static [u8])>,
    ocsp: bool,
    names_organization: bool,
    pub(super) issuers: &'static [Plan],
}

const fn plan(
    common_name: &'static str,
    signature: SignatureKind,
    weight: usize,
    days: i64,
) -> Plan {
    Plan { common_name, signature, weight, days }
}

const P256: SignatureKind = SignatureKind::Ecdsa(Curve::P256);
const P384: SignatureKind = SignatureKind::Ecdsa(Curve::P384);

pub(super) const ORGANIZATIONS: [Organization; 4] = [
    Organization {
        country: "CH",
        name: "Lindenhof Trust Foundation",
        host: "lindenhof.example",
        root: ("Lindenhof Root X1", include_bytes!("../../../keys/lindenhof-root.pk8")),
        intermediate: None,
        ocsp: false,
        names_organization: false,
        issuers: &[
            plan("L7", P384, 230, 90),
            plan("L8", P384, 170, 45),
            plan("L12", SignatureKind::Rsa2048, 180, 90),
        ],
    },
    Organization {
        country: "US",
        name: "Cumulus Trust Services",
        host: "cumulus.example",
        root: ("Cumulus Root R1", include_bytes!("../../../keys/cumulus-root.pk8")),
        intermediate: None,
        ocsp: true,
        names_organization: false,
        issuers: &[plan("CE1", P256, 110, 90), plan("CR3", SignatureKind::Rsa2048, 70, 90)],
    },
    Organization {
        country: "GB",
        name: "Meridian Certification Limited",
        host: "meridian-ca.example",
        root: ("Meridian Global Root G2", include_bytes!("../../../keys/meridian-root.pk8")),
        intermediate: Some((
            "Meridian Server Authentication Root R46",
            include_bytes!("../../../keys/meridian-intermediate.pk8"),
        )),
        ocsp: true,
        names_organization: true,
        issuers: &[
            plan(
                "Meridian Public Server Authentication CA OV R36",
                SignatureKind::Rsa2048,
                110,
                200,
            ),
            plan("Meridian Public Server Authentication CA OV E36", P256, 50, 200),
        ],
    },
    Organization {
        country: "JP",
        name: "Sakura Hosting K.K.",
        host: "sakura-hosting.example",
        root: ("Sakura Hosting Root CA", include_bytes!("../../../keys/sakura-root.pk8")),
        intermediate: Some((
            "Sakura Hosting Policy CA 2",
            include_bytes!("../../../keys/sakura-intermediate.pk8"),
        )),
        ocsp: true,
        names_organization: false,
        issuers: &[plan("Sakura Hosting DV TLS CA 5", P256, 80, 45)],
    },
];

impl Organization {
    fn subject(&self, common_name: &'static str) -> Subject {
        Subject { country: self.country, organization: self.name, common_name }
    }

    pub(super) fn root(&self) -> Result<SigningCa, KeyError> {
        let (common_name, pkcs8) = self.root;
        let mut root = SigningCa::new(&self.subject(common_name), self.host, pkcs8)?;
        let der = root.issue(&root.name, &root.spki(), &root.key_id, None)?;
        root.chain.push(der);
        Ok(root)
    }

    /// The CA above the issuing ones, which is the root where there is no intermediate.
    pub(super) fn intermediate(&self, root: SigningCa) -> Result<SigningCa, KeyError> {
        let Some((common_name, pkcs8)) = self.intermediate else { return Ok(root) };
        let mut ca = SigningCa::new(&self.subject(common_name), self.host, pkcs8)?;
        ca.chain.push(root.issue(&ca.name, &ca.spki(), &ca.key_id, Some(1))?);
        ca.chain.extend(root.chain);
        Ok(ca)
    }

    pub(super) fn issuer(&self, plan: &Plan, parent: &SigningCa) -> Result<Issuer, KeyError> {
        let name = self.subject(plan.common_name).encode();
        let (spki, key_id) = public_key(plan)?;
        let der = parent.issue(&name, &spki, &key_id, Some(0))?;
        let chain: Vec<_> = [der].into_iter().chain(parent.chain.iter().cloned()).collect();
        let label = plan.common_name.replace(' ', "-").to_lowercase();
        Ok(Issuer {
            weight: plan.weight,
            name,
            fingerprints: chain.iter().map(|der| ct::sha256(der)).collect(),
            chain,
            key_hash: ct::sha256(&spki),
            signature: plan.signature,
            lifetime: plan.days * DAY,
            names_organization: self.names_organization,
            authority: self.authority(&label, &key_id),
            policies: self.policies(&label),
        })
    }

    fn authority(&self, label: &str, key_id: &Hash) -> Vec<u8> {
        let mut out = Vec::new();
        let ocsp = self.ocsp.then(|| format!("http://ocsp.{}/{label}", self.host));
        extension::authority_key_id(&mut out, &key_id[..KEY_ID_LENGTH]);
        let issuers = format!("http://i.{}/{label}.crt", self.host);
        extension::authority_info(&mut out, ocsp.as_deref(), &issuers);
        out
    }

    fn policies(&self, label: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let policy = match self.names_organization {
            true => oid::ORGANIZATION_VALIDATED,
            false => oid::DOMAIN_VALIDATED,
        };
        extension::policy(&mut out, policy);
        extension::crl_distribution(&mut out, &format!("http://crl.{}/{label}/17.crl", self.host));
        out
    }
}

/// The `SubjectPublicKeyInfo` of an issuing CA and its key identifier.
fn public_key(plan: &Plan) -> Result<(Vec<u8>, Hash), KeyError> {
    match plan.signature {
        SignatureKind::Ecdsa(curve) => {
            let point = key::point(curve, SEED, plan.common_name)?;
            Ok((key::ec_spki(curve, &point), ct::sha256(&point)))
        }
        SignatureKind::Rsa2048 => {
            let name = ct::sha256(plan.common_name.as_bytes());
            let (stream, _) = name.as_chunks::<8>();
            let mut random = Random::of(SEED, u64::from_be_bytes(stream[0]), 0);
            let modulus = rsa_modulus(&mut random);
            let (mut spki, mut public_key) = (Vec::new(), Vec::new());
            key::rsa_public_key(&mut public_key, &modulus);
            key::rsa_spki(&mut spki, |out| out.extend_from_slice(&public_key));
            Ok((spki, ct::sha256(&public_key)))
        }
    }
}
