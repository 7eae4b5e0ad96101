//! Negotiating permessage-deflate (RFC 7692).
//!
//! Deflated messages are compressed once for all clients of a kind, so the server offers the
//! extension in two forms: it keeps its compression context from one message to the next, or begins
//! each message with an empty one (`server_no_context_takeover`, as gorilla/websocket and
//! Java-WebSocket require), both over the whole window of 32 KiB. An offer with a smaller window is
//! declined. What clients send is never inflated, so they may as well keep no context either.

use crate::protocol::framing::Framing;

/// The name of the extension.
const NAME: &[u8] = b"permessage-deflate";

/// Most offers that are read; no real client sends as many.
const MOST_OFFERS: usize = 16;

/// The form in which permessage-deflate was agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// The `Sec-WebSocket-Extensions` header of the answer.
    pub answer: &'static str,
    /// The framing the client understands.
    pub framing: Framing,
}

impl Deflate {
    const KEPT: Self = Self {
        answer: "permessage-deflate; client_no_context_takeover",
        framing: Framing::WebSocketDeflate,
    };
    const KEPT_WINDOW: Self = Self {
        answer: "permessage-deflate; client_no_context_takeover; server_max_window_bits=15",
        framing: Framing::WebSocketDeflate,
    };
    const EACH: Self = Self {
        answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        framing: Framing::WebSocketDeflateEach,
    };
    const EACH_WINDOW: Self = Self {
        answer: "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                 server_max_window_bits=15",
        framing: Framing::WebSocketDeflateEach,
    };
}

/// Accepts the first offer of a `Sec-WebSocket-Extensions` header (its lines joined with commas)
/// under which messages compressed for everybody can be sent.
///
/// None if there is no such offer, or if the header cannot be read: the connection is then
/// opened without compression (RFC 7692 section 5.1).
#[must_use]
pub fn accept_deflate(header: &[u8]) -> Option<Deflate> {
    let mut rest = Scanner(header);
    let mut accepted = None;
    for _ in 0..MOST_OFFERS {
        let offer = rest.offer()?;
        accepted = accepted.or_else(|| offer.answer());
        if rest.is_empty() {
            return accepted;
        }
        rest.take(b',')?;
    }
    accepted
}

/// One element of the header.
#[derive(Debug, Default)]
struct Offer {
    /// True for an offer of permessage-deflate without parameters that are unknown, come twice, or
    /// have values they cannot have.
    usable: bool,
    server_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    client_no_context_takeover: bool,
    client_max_window_bits: bool,
}

impl Offer {
    const fn answer(&self) -> Option<Deflate> {
        if !self.usable {
            return None;
        }
        match (self.server_no_context_takeover, self.server_max_window_bits) {
            (false, None) => Some(Deflate::KEPT),
            (false, Some(15)) => Some(Deflate::KEPT_WINDOW),
            (true, None) => Some(Deflate::EACH),
            (true, Some(15)) => Some(Deflate::EACH_WINDOW),
            (_, Some(_)) => None,
        }
    }

    /// Takes a parameter (RFC 7692 section 7.1), and reports whether it may stand there.
    fn parameter(&mut self, name: &[u8], value: Option<&[u8]>) -> bool {
        let flag = |seen: &mut bool| value.is_none() && !std::mem::replace(seen, true);
        match name {
            b"server_no_context_takeover" => flag(&mut self.server_no_context_takeover),
            b"client_no_context_takeover" => flag(&mut self.client_no_context_takeover),
            b"server_max_window_bits" => match value.and_then(window_bits) {
                Some(bits) => self.server_max_window_bits.replace(bits).is_none(),
                None => false,
            },
            b"client_max_window_bits" => {
                let seen = std::mem::replace(&mut self.client_max_window_bits, true);
                !seen && value.is_none_or(|value| window_bits(value).is_some())
            }
            _ => false,
        }
    }
}

/// Reads a number from 8 to 15 without leading zeros (RFC 7692 section 7.1.2).
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + (digit - b'0')),
        _ => None,
    }
}

/// The rest of the header (grammar: RFC 6455 section 9.1).
#[derive(Debug)]
struct Scanner<'a>(&'a [u8]);

impl<'a> Scanner<'a> {
    /// Reads one element with its parameters; none if it has not the form of one.
    fn offer(&mut self) -> Option<Offer> {
        let name = self.token()?;
        let mut offer = Offer { usable: name.eq_ignore_ascii_case(NAME), ..Offer::default() };
        while self.take(b';').is_some() {
            let name = self.token()?.to_ascii_lowercase();
            let value = match self.take(b'=') {
                Some(()) => Some(self.value()?),
                None => None,
            };
            offer.usable &= offer.parameter(&name, value.as_deref());
        }
        Some(offer)
    }

    fn is_empty(&mut self) -> bool {
        self.skip_blanks();
        self.0.is_empty()
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// Moves past `byte` if it comes next, blanks aside.
    fn take(&mut self, byte: u8) -> Option<()> {
        self.skip_blanks();
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let end = self.0.iter().position(|&byte| !is_token(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Reads a token, or a quoted string that is one once its quotes and backslashes are gone.
    fn value(&mut self) -> Option<Vec<u8>> {
        if self.take(b'"').is_none() {
            return self.token().map(<[u8]>::to_vec);
        }
        let mut value = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let literal = match byte {
                b'"' => return (!value.is_empty()).then_some(value),
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    escaped
                }
                byte => byte,
            };
            if !is_token(literal) {
                return None;
            }
            value.push(literal);
        }
    }
}

/// Reports whether a byte is a character of a token (RFC 9110 section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: Option<Deflate> = Some(Deflate::KEPT);
    const WINDOW: Option<Deflate> = Some(Deflate::KEPT_WINDOW);
    const EACH: Option<Deflate> = Some(Deflate::EACH);
    const EACH_WINDOW: Option<Deflate> = Some(Deflate::EACH_WINDOW);

    #[test]
    fn the_first_offer_that_can_be_shared_is_accepted() {
        let cases: &[(&str, Option<Deflate>)] = &[
            // What clients really send.
            ("permessage-deflate", PLAIN),
            ("permessage-deflate; client_max_window_bits", PLAIN),
            ("permessage-deflate; client_no_context_takeover; client_max_window_bits=15", PLAIN),
            // gorilla/websocket, and Java-WebSocket.
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", EACH),
            // RFC 7692 section 7.1: several offers, the first that fits.
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", PLAIN),
            (
                "permessage-deflate; server_max_window_bits=12,permessage-deflate ; \
              server_max_window_bits=15",
                WINDOW,
            ),
            ("permessage-deflate; server_no_context_takeover, permessage-deflate", EACH),
            (
                "permessage-deflate; server_max_window_bits=15; server_no_context_takeover",
                EACH_WINDOW,
            ),
            ("x-webkit-deflate-frame, permessage-deflate", PLAIN),
            ("mux; max-channels=4; flow-control, permessage-deflate", PLAIN),
            ("permessage-deflate, permessage-deflate; server_max_window_bits=15", PLAIN),
            // Spellings.
            ("Permessage-Deflate", PLAIN),
            ("permessage-deflate;server_max_window_bits=15", WINDOW),
            ("permessage-deflate ; server_max_window_bits = \"15\"", WINDOW),
            ("permessage-deflate; server_max_window_bits=\"1\\5\"", WINDOW),
            ("\tpermessage-deflate; client_max_window_bits=\"8\" ", PLAIN),
            // Asked too much.
            ("permessage-deflate; server_no_context_takeover; server_max_window_bits=9", None),
            ("permessage-deflate; server_max_window_bits=14", None),
            ("permessage-deflate; server_max_window_bits=8", None),
            // Not to be understood (section 7.1: decline the offer).
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=015", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=7", None),
            ("permessage-deflate; server_max_window_bits=+15", None),
            ("permessage-deflate; server_max_window_bits=15; server_max_window_bits=15", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
            ("permessage-deflate; client_no_context_takeover=1", None),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
            ("permessage-deflate; level=9", None),
            ("permessage-deflate; level=9, permessage-deflate", PLAIN),
            ("permessage-bzip2", None),
            ("permessage-deflated", None),
            // Not in the form of the header: nothing of it counts.
            ("", None),
            (",", None),
            ("permessage-deflate,", None),
            ("permessage-deflate;", None),
            ("permessage-deflate permessage-deflate", None),
            ("permessage-deflate; server_max_window_bits=", None),
            ("permessage-deflate; server_max_window_bits=\"15", None),
            ("permessage-deflate; server_max_window_bits=\"15\\", None),
            ("permessage-deflate; server_max_window_bits=\"\"", None),
            ("permessage-deflate; client_max_window_bits=\"1 5\"", None),
            ("permessage-deflate, caf\u{e9}", None),
            ("permessage-deflate=1", None),
        ];
        for (header, answer) in cases {
            assert_eq!(accept_deflate(header.as_bytes()), *answer, "{header}");
        }
    }

    #[test]
    fn only_so_many_offers_are_read() {
        let after = |others: usize| format!("{}permessage-deflate", "other,".repeat(others));
        assert_eq!(accept_deflate(after(MOST_OFFERS - 1).as_bytes()), PLAIN);
        assert_eq!(accept_deflate(after(MOST_OFFERS).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_header_has_an_answer(header in proptest::collection::vec(any::<u8>(), 0..80)) {
            let answer = accept_deflate(&header);
            prop_assert!([None, PLAIN, WINDOW, EACH, EACH_WINDOW].contains(&answer));
        }

        #[test]
        fn the_order_of_parameters_does_not_matter(
            parameters in Just(vec![
                "client_no_context_takeover",
                "client_max_window_bits=12",
                "server_max_window_bits=15",
            ]).prop_shuffle(),
        ) {
            let header = format!("permessage-deflate; {}", parameters.join("; "));
            prop_assert_eq!(accept_deflate(header.as_bytes()), WINDOW);
        }
    }
}
