//! Certificates put together byte by byte, well-formed or not.
#![allow(dead_code, unreachable_pub)] // each test binary uses its part
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;

/// The real data beside the repository, where there is any.
pub fn shared_data() -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: ../shared/data is not here");
    None
}

/// Every certificate under `certs` and `vectors` of the shared data, whatever its file format, with
/// the name of its file.
pub fn all_certificates(data: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![data.join("certs"), data.join("vectors")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let file = path.strip_prefix(data).unwrap().display().to_string();
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("-----BEGIN") {
                found.extend(pem_blocks(&text).map(|der| (file.clone(), der)));
            } else if bytes.first() == Some(&0x30) {
                found.push((file, bytes));
            }
        }
    }
    found
}

fn pem_blocks(text: &str) -> impl Iterator<Item = Vec<u8>> {
    text.split("-----BEGIN CERTIFICATE-----").skip(1).filter_map(|rest| {
        let (body, _) = rest.split_once("-----END")?;
        let body: String = body.split_whitespace().collect();
        base64_simd::STANDARD.decode_to_vec(body).ok()
    })
}

/// One DER element.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    match contents.len() {
        length @ 0..=127 => element.push(u8::try_from(length).unwrap()),
        length => {
            element.push(0x84);
            element.extend(u32::try_from(length).unwrap().to_be_bytes());
        }
    }
    element.extend(contents);
    element
}

pub fn sequence(members: &[Vec<u8>]) -> Vec<u8> {
    element(0x30, &members.concat())
}

pub const C: &[u8] = b"\x55\x04\x06";
pub const CN: &[u8] = b"\x55\x04\x03";
pub const O: &[u8] = b"\x55\x04\x0a";
pub const OU: &[u8] = b"\x55\x04\x0b";
pub const EMAIL: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";

/// A relative distinguished name with one attribute, a UTF8String.
pub fn rdn(oid: &[u8], value: &str) -> Vec<u8> {
    typed_rdn(oid, 0x0c, value.as_bytes())
}

pub fn typed_rdn(oid: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
    element(0x31, &sequence(&[element(0x06, oid), element(tag, value)]))
}

pub const BASIC_CONSTRAINTS: &[u8] = b"\x55\x1d\x13";
pub const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";
pub const KEY_USAGE: &[u8] = b"\x55\x1d\x0f";
pub const POISON: &[u8] = b"\x2b\x06\x01\x04\x01\xd6\x79\x02\x04\x03";

pub fn extension(oid: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[element(0x06, oid), element(0x04, value)])
}

pub fn dns_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let names: Vec<_> = names.into_iter().map(|name| element(0x82, name.as_bytes())).collect();
    extension(SUBJECT_ALT_NAME, &sequence(&names))
}

pub fn ca() -> Vec<u8> {
    extension(BASIC_CONSTRAINTS, &sequence(&[element(0x01, b"\xff")]))
}

/// The fields of a certificate, each one ready encoded.
#[derive(Clone, Debug)]
pub struct Template {
    pub version: Vec<u8>,
    pub serial: Vec<u8>,
    pub algorithm: Vec<u8>,
    pub issuer: Vec<u8>,
    pub not_before: Vec<u8>,
    pub not_after: Vec<u8>,
    pub subject: Vec<u8>,
    pub key: Vec<u8>,
    pub extensions: Vec<Vec<u8>>,
}

impl Default for Template {
    /// 2026-01-01 to 2026-04-01, from `/C=US/CN=Test CA` to `/CN=a.example`, no extensions.
    fn default() -> Self {
        let key_algorithm = sequence(&[element(0x06, b"\x2a\x86\x48\xce\x3d\x02\x01")]);
        Self {
            version: element(0xa0, &element(0x02, b"\x02")),
            serial: element(0x02, b"\x0f\xdb"),
            algorithm: sequence(&[element(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b")]),
            issuer: sequence(&[rdn(C, "US"), rdn(CN, "Test CA")]),
            not_before: element(0x17, b"260101000000Z"),
            not_after: element(0x17, b"260401000000Z"),
            subject: sequence(&[rdn(CN, "a.example")]),
            key: sequence(&[key_algorithm, element(0x03, b"\x00\x04")]),
            extensions: Vec::new(),
        }
    }
}

impl Template {
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = vec![
            self.version.clone(),
            self.serial.clone(),
            self.algorithm.clone(),
            self.issuer.clone(),
            sequence(&[self.not_before.clone(), self.not_after.clone()]),
            self.subject.clone(),
            self.key.clone(),
        ];
        if !self.extensions.is_empty() {
            fields.push(element(0xa3, &sequence(&self.extensions)));
        }
        sequence(&[sequence(&fields), self.algorithm.clone(), element(0x03, b"\x00\x01")])
    }
}
