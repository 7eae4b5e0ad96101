//! The certificates above the one that was logged.

use std::sync::OnceLock;

use bytes::Bytes;
use cert::Certificate;

use crate::json::Json;
use crate::profile::Profile;
use crate::render;

/// A certificate of a chain. It stands above very many leaves, so it is read and rendered once
/// under each profile and then only copied. One of more than 64 KiB is shown without its DER and
/// without anything that can be long in it.
#[derive(Debug)]
pub struct Issuer {
    der: Bytes,
    rendered: [OnceLock<Bytes>; Profile::ALL.len()],
}

impl Issuer {
    /// Makes a certificate of its DER, which is kept; give it bytes of its own, not a slice of a large
    /// page. Nothing is read before a message needs it.
    #[must_use]
    pub fn new(der: Bytes) -> Self {
        Self { der, rendered: Default::default() }
    }

    /// Returns the DER.
    #[must_use]
    pub const fn der(&self) -> &Bytes {
        &self.der
    }

    /// Returns the bytes of memory it takes at most, once it is rendered under every profile.
    #[must_use]
    pub const fn most_memory(&self) -> usize {
        size_of::<Self>() + self.der.len() + Profile::ALL.len() * most_rendered(self.der.len())
    }

    /// Returns the element of `chain`.
    pub(crate) fn json(&self, profile: Profile) -> &Bytes {
        self.rendered[profile as usize].get_or_init(|| {
            let mut out = Vec::new();
            let certificate = Certificate::read(&self.der);
            render::issuer(profile, &certificate, &mut Json::new(&mut out));
            out.shrink_to_fit();
            out.into()
        })
    }
}

/// Returns the bytes that a rendering takes at most: keys and punctuation, the DER as base64, and names, which are
/// shown twice, with escapes that make six bytes of one.
const fn most_rendered(der: usize) -> usize {
    4096 + der * 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_rendered_once_under_each_profile() {
        let issuer = Issuer::new(Bytes::from_static(b"no certificate"));
        for profile in Profile::ALL {
            let first = issuer.json(profile).as_ptr();
            assert_eq!(issuer.json(profile).as_ptr(), first);
        }
        assert_ne!(issuer.json(Profile::Calidog), issuer.json(Profile::Go));
    }

    #[test]
    fn an_issuer_takes_no_more_memory_than_is_counted() {
        let text = |length: usize| vec![1_u8; length];
        let named = |name: &[u8]| {
            let value = |tag: u8, content: &[u8]| {
                let length = u16::try_from(content.len()).unwrap().to_be_bytes();
                [&[tag, 0x82], &length[..], content].concat()
            };
            let attribute = value(0x30, &[&[0x06, 3, 0x55, 4, 3][..], &value(0x0c, name)].concat());
            let names = value(0x30, &value(0x31, &attribute));
            let tbs =
                [&value(0x02, &[7; 20])[..], &value(0x30, &[]), &names, &value(0x30, &[]), &names];
            value(0x30, &[value(0x30, &tbs.concat()), value(0x30, &[]), value(0x03, &[0])].concat())
        };
        for der in [vec![], text(1_000), named(&text(10)), named(&text(1_000)), named(&text(9_000))]
        {
            let issuer = Issuer::new(der.into());
            let rendered = Profile::ALL.map(|profile| issuer.json(profile).len());
            let taken = issuer.der().len() + rendered.iter().sum::<usize>();
            assert!(taken <= issuer.most_memory(), "{taken} of {}", issuer.most_memory());
        }
    }

    #[test]
    fn a_huge_issuer_is_not_shown_in_full() {
        let fits = Issuer::new(vec![0; 64 << 10].into());
        assert!(fits.json(Profile::Calidog).len() > 64 << 10);
        let huge = Issuer::new(vec![0; (64 << 10) + 1].into());
        assert!(huge.json(Profile::Calidog).len() < 2_000);
    }
}
