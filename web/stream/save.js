// A certificate as a file: PEM and JSON.

import { element } from "../text.js";

// Base64 in lines of 64 characters (RFC 7468).
export function pem(der) {
  return `-----BEGIN CERTIFICATE-----\n${der.replace(/.{64}(?=.)/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
}

// A file name of a certificate's name: only what every file system takes.
const safe = (name) => name.replace(/[^a-z0-9.-]+/gi, "_").replace(/^[._-]+/, "").slice(0, 80) || "certificate";

export function download(name, extension, type, text) {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = `${safe(name)}.${extension}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
