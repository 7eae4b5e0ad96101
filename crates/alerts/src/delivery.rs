//! The delivery of alerts to webhooks and by e-mail.
//!
//! A [`Deliverer`] sends the alerts of one rule, one after the other, to one [`Receiver`], until it has
//! answered with a status of success; a failure is followed by another attempt, with pauses that double.
//! Every attempt has the same `Idempotency-Key` or `Message-ID`, by which a receiver recognises what it
//! has already.
//! An alert that a receiver refuses, or does not take for a day, is kept in a file of
//! [dead letters](DeadLetters). So each alert arrives at least once, in the order of its rule, or is
//! in that file.

mod attempts;
mod body;
mod dead_letters;
mod deliverer;
mod mail;
mod places;
mod post;
mod receiver;
mod signature;
mod webhook;

pub use attempts::Retries;
pub use body::Format;
pub use dead_letters::{DeadLetter, DeadLetters, Retry};
pub use deliverer::{Deliverer, Delivery, Failure, Figures, GivenUp};
pub use mail::{Login, MAX_ADDRESSES, Mail, MailError, Security};
pub use receiver::{Outcome, Receiver};
pub use signature::{HEADER as SIGNATURE_HEADER, sign};
pub use webhook::{Webhook, WebhookError};
