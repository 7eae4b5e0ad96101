//! E-mail to an SMTP server that fails in every way.

mod smtp;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::*;
use crate::alert::tests::alert;
use crate::delivery::{DeadLetters, Deliverer, Delivery, GivenUp, Outcome, Receiver, Retries};
use smtp::{Act, Encryption, Smtp};

/// The receiver for a server, without encryption.
fn mail(smtp: &Smtp) -> Mail {
    let to = vec!["Ops <ops@example.org>".to_owned(), "second@example.org".to_owned()];
    let mut mail = Mail::new(format!("localhost:{}", smtp.port), "ct@example.org".to_owned(), to);
    mail.security = Security::None;
    mail
}

fn with_login(mut mail: Mail) -> Mail {
    mail.login = Some(Login { user: "ct".to_owned(), password: Secret::new("s3cret") });
    mail
}

async fn send(smtp: &Smtp, mail: Mail) -> Outcome {
    let root = smtp.root.clone();
    Mailer::new(mail, || vec![root]).unwrap().send(&alert("our brand")).await
}

fn later(outcome: Outcome) -> String {
    match outcome {
        Outcome::Later { reason, after: None } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_alert_arrives_with_the_same_message_id_each_time() {
    let smtp = Smtp::start(Encryption::None, &[]).await;
    for _ in 0..2 {
        assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);
    }
    let received = smtp.received();
    assert_eq!(received.len(), 2);
    for message in received {
        assert_eq!(message.from, "FROM:<ct@example.org>");
        assert_eq!(message.to, ["TO:<ops@example.org>", "TO:<second@example.org>"]);
        let id = format!("Message-ID: <{}@example.org>", alert("our brand").id);
        assert!(message.text.lines().any(|line| line == id), "{}", message.text);
        assert_eq!(message.auth, None);
    }
    assert!(smtp.lines().iter().any(|line| line == "EHLO [127.0.0.1]"), "{:?}", smtp.lines());
}

/// The reply decides what happens to the alert, if it is about the alert: others are about the server, or
/// about the settings.
#[tokio::test]
async fn replies_decide_on_the_next_step() {
    let cases = [
        ("CONNECT", "554 no service", false, "it answers 554: no service"),
        ("CONNECT", "421 busy", false, "it answers 421: busy"),
        ("EHLO", "502 what?", false, "it answers 502: what?"),
        ("MAIL", "451 try later", false, "it answers 451: try later"),
        ("MAIL", "550 not you", true, "it answers 550: not you"),
        ("MAIL", "530 5.7.0 first AUTH", false, "it answers 530: 5.7.0 first AUTH"),
        ("RCPT", "450 grey", false, "it answers 450: grey"),
        ("RCPT", "550 nobody", true, "it answers 550: nobody"),
        ("DATA", "451 full", false, "it answers 451: full"),
        ("DATA", "554 none", true, "it answers 554: none"),
        (".", "452-disk\r\n452 full", false, "it answers 452: disk full"),
        (".", "550 spam \u{202e}", true, "it answers 550: spam \\u{202e}"),
        (".", "what", false, "what"),
    ];
    let acts = cases.map(|(step, reply, _, _)| (step, Act::Reply(reply)));
    let smtp = Smtp::start(Encryption::None, &acts).await;
    for (step, reply, is_refused, expected) in cases {
        let outcome = send(&smtp, mail(&smtp)).await;
        let reason = match outcome {
            Outcome::Refused { reason } if is_refused => reason,
            Outcome::Later { reason, after: None } if !is_refused => reason,
            outcome => panic!("{step} {reply}: {outcome:?}"),
        };
        assert!(reason.contains(expected), "{step} {reply}: {reason}");
    }
    assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);
}

#[tokio::test]
async fn servers_that_hang_or_close_get_the_alert_later() {
    let steps = ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."];
    let acts: Vec<_> =
        steps.iter().flat_map(|step| [(*step, Act::Hang), (*step, Act::Close)]).collect();
    let smtp = Smtp::start(Encryption::None, &acts).await;
    for (step, act) in &acts {
        let mut mail = mail(&smtp);
        if matches!(act, Act::Hang) {
            mail.timeout = Duration::from_millis(200);
        }
        let reason = later(send(&smtp, mail).await);
        let is_timeout = reason == "it does not answer in time";
        assert_eq!(is_timeout, matches!(act, Act::Hang), "{step}: {reason}");
    }
    assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);

    let nobody = Mail { server: "localhost:1".to_owned(), ..mail(&smtp) };
    assert!(later(send(&smtp, nobody).await).starts_with("no connection: "));
}

/// The end of a session is no part of the attempt.
#[tokio::test]
async fn an_accepted_alert_has_arrived_however_the_session_ends() {
    let acts = [("QUIT", Act::Hang), ("QUIT", Act::Close), ("QUIT", Act::Reply("500 no"))];
    let smtp = Smtp::start(Encryption::None, &acts).await;
    for _ in acts {
        assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);
    }
}

#[tokio::test]
async fn a_reply_without_end_is_not_read_to_memory() {
    let smtp = Smtp::start(Encryption::None, &[("MAIL", Act::Flood)]).await;
    let reason = later(send(&smtp, mail(&smtp)).await);
    assert_eq!(reason, "it sends more than 32 KiB or 200 lines");
}

/// Each of them makes the reply be parsed again.
#[tokio::test]
async fn a_reply_of_many_lines_is_not_parsed() {
    let reply = |lines: usize| -> &'static str {
        format!("250-mail.example\r\n{}250 ok", "250-\r\n".repeat(lines)).leak()
    };
    let acts = [16_000, 200, 100].map(|lines| ("EHLO", Act::Reply(reply(lines))));
    let smtp = Smtp::start(Encryption::None, &acts).await;
    for _ in 0..2 {
        let reason = later(send(&smtp, mail(&smtp)).await);
        assert_eq!(reason, "it sends more than 32 KiB or 200 lines");
    }
    assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);
}

/// One address that is gone costs the others nothing; one that is busy makes all of them wait, so that
/// nobody gets the alert twice.
#[tokio::test]
async fn an_address_that_is_refused_costs_the_others_nothing() {
    let gone = [("RCPT", Act::Reply("550 gone"))];
    let smtp = Smtp::start(Encryption::None, &gone).await;
    let mut one = mail(&smtp);
    one.to.truncate(1);
    let reason = "it answers 550: gone".to_owned();
    assert_eq!(send(&smtp, one).await, Outcome::Refused { reason });
    assert!(smtp.received().is_empty());

    let smtp = Smtp::start(Encryption::None, &[("RCPT TO:<ops@", Act::Reply("550 gone"))]).await;
    assert_eq!(send(&smtp, mail(&smtp)).await, Outcome::Accepted);
    assert_eq!(smtp.received()[0].to, ["TO:<second@example.org>"]);

    let smtp = Smtp::start(Encryption::None, &[("RCPT TO:<ops@", Act::Reply("450 busy"))]).await;
    assert_eq!(later(send(&smtp, mail(&smtp)).await), "it answers 450: busy");
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn user_and_password_are_given_and_never_shown() {
    let acts = [
        ("AUTH", Act::Reply("535 bad s3cret AGN0AHMzY3JldA==")),
        ("AUTH", Act::Reply("bad s3cret")),
        ("EHLO", Act::Reply("250 localhost")),
    ];
    let smtp = Smtp::start(Encryption::None, &acts).await;
    for expected in [
        "it answers 535 to user and password",
        "the connection breaks while user and password are sent",
        "it takes no user and password by AUTH PLAIN or AUTH LOGIN",
    ] {
        assert_eq!(later(send(&smtp, with_login(mail(&smtp))).await), expected);
    }
    assert!(smtp.received().is_empty());
    assert_eq!(send(&smtp, with_login(mail(&smtp))).await, Outcome::Accepted);
    // The user and the password, each after a NUL, in base64.
    assert_eq!(smtp.received()[0].auth.as_deref(), Some("PLAIN AGN0AHMzY3JldA=="));
    let mailer = Mailer::new(with_login(mail(&smtp)), Vec::new).unwrap();
    assert!(!format!("{mailer:?}").contains("s3cret"), "{mailer:?}");
}

#[tokio::test]
async fn a_session_is_encrypted_for_a_server_that_is_trusted() {
    for (encryption, security) in
        [(Encryption::Tls, Security::Tls), (Encryption::StartTls, Security::StartTls)]
    {
        let smtp = Smtp::start(encryption, &[]).await;
        let mail = Mail { security, ..with_login(mail(&smtp)) };
        assert_eq!(send(&smtp, mail.clone()).await, Outcome::Accepted);
        let received = smtp.received();
        assert!(received[0].is_encrypted && received[0].auth.is_some(), "{received:?}");

        let untrusted = Mailer::new(mail.clone(), Vec::new).unwrap();
        let reason = later(untrusted.send(&alert("our brand")).await);
        assert!(reason.contains("certificate"), "{reason}");
        let by_address = Mail { server: format!("127.0.0.1:{}", smtp.port), ..mail };
        let reason = later(send(&smtp, by_address).await);
        assert!(reason.contains("certificate"), "{reason}");
        assert!(smtp.received().is_empty());
    }
}

#[tokio::test]
async fn nothing_is_sent_without_the_encryption_that_is_set() {
    let smtp = Smtp::start(Encryption::None, &[]).await;
    let mail = Mail { security: Security::StartTls, ..with_login(mail(&smtp)) };
    let reason = later(send(&smtp, mail).await);
    assert!(reason.starts_with("no TLS: STARTTLS is not supported"), "{reason}");
    let lines = smtp.lines();
    assert!(lines.iter().all(|line| line.starts_with("EHLO")), "{lines:?}");
}

/// Replies that are sent before TLS begins do not pass for encrypted ones.
#[tokio::test]
async fn replies_cannot_be_injected_before_tls() {
    let injected = "220 go ahead\r\n250 localhost\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued";
    let acts = [("STARTTLS", Act::Reply(injected))];
    let smtp = Smtp::start(Encryption::StartTls, &acts).await;
    let mail = Mail { security: Security::StartTls, ..mail(&smtp) };
    let reason = later(send(&smtp, mail).await);
    assert!(reason.starts_with("no TLS: "), "{reason}");
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn every_alert_arrives_in_order_or_is_a_dead_letter() {
    let acts = [
        (".", Act::Reply("451 later")),
        ("EHLO", Act::Close),
        (".", Act::Hang),
        ("RCPT", Act::Reply("450 grey")),
        (".", Act::Reply("550 spam")),
    ];
    let smtp = Smtp::start(Encryption::None, &acts).await;
    let folder = tempfile::tempdir().unwrap();
    let letters = Arc::new(DeadLetters::new(folder.path().join("dead.jsonl")));
    let (_stop, stopping) = watch::channel(false);
    let retries = Retries { first: Duration::from_millis(1), ..Retries::default() };
    let mail = Mail { timeout: Duration::from_secs(2), ..mail(&smtp) };
    let receiver = Receiver::mail(mail).unwrap();
    let given_up = GivenUp {
        receiver: "ops".into(),
        dead_letters: Some(Arc::clone(&letters)),
        figures: Arc::default(),
    };
    let deliverer = Deliverer::new(receiver, retries, given_up);
    let rules = ["a", "b", "c"];
    let mut ends = Vec::new();
    for rule in rules {
        ends.push(deliverer.deliver(&alert(rule), Timestamp::now(), stopping.clone()).await);
    }
    assert_eq!(ends, [Delivery::Kept, Delivery::Arrived, Delivery::Arrived]);
    let (kept, _) = letters.read().unwrap();
    assert_eq!((kept.len(), &*kept[0].reason), (1, "it answers 550: spam"));
    let subjects: Vec<_> = smtp
        .received()
        .iter()
        .filter_map(|mail| mail.text.lines().find_map(|line| line.strip_prefix("Subject: ")))
        .map(str::to_owned)
        .collect();
    // Three times the server had all of the first one.
    let expected =
        ["a", "a", "a", "b", "c"].map(|rule| format!("Certificate alert: {rule}: example.com"));
    assert_eq!(subjects, expected);
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    let problem = |change: &dyn Fn(&mut Mail)| {
        let to = vec!["a@b.example".into()];
        let mut mail = Mail::new("mail.example.com:25".into(), "ct@example.org".into(), to);
        mail.security = Security::None;
        change(&mut mail);
        Receiver::mail(mail).map(|_| ()).map_err(|error| error.to_string())
    };
    for server in
        ["mail.example.com", "mail.example.com:0", ":25", "::1:25", "a b:25", "smtp://a:25"]
    {
        let error = problem(&|mail| mail.server = server.into()).unwrap_err();
        assert!(error.contains("give host and port"), "{server}: {error}");
    }
    for address in [
        "",
        "nobody",
        "a@b\r\nRCPT TO:<c@d.example>",
        "\u{fc}@b.example",
        "a@b.example, c@d.example",
    ] {
        let error = problem(&|mail| mail.from = address.into()).unwrap_err();
        assert!(error.contains("is not an e-mail address"), "{address}: {error}");
        problem(&|mail| mail.to.push(address.into())).unwrap_err();
    }
    for count in [0, MAX_ADDRESSES + 1] {
        let error = problem(&|mail| mail.to = vec!["a@b.example".into(); count]).unwrap_err();
        assert!(error.contains("give 1 to 20"), "{error}");
    }
    for (user, password) in [("", "p"), ("u", ""), ("u\0", "p"), ("u", "p\r\nQUIT")] {
        let login = Login { user: user.into(), password: Secret::new(password) };
        let error = problem(&|mail| mail.login = Some(login.clone())).unwrap_err();
        assert!(error.contains("control character"), "{error}");
    }
    for server in ["mail.example.com:587", "192.0.2.1:25", "[2001:db8::1]:465", "mail_relay:25"] {
        problem(&|mail| mail.server = server.into()).unwrap();
    }
    problem(&|mail| mail.to = vec!["a@b.example".into(); MAX_ADDRESSES]).unwrap();
}

#[test]
fn servers_are_shown_with_a_warning_if_nothing_is_encrypted() {
    let mut mail = Mail::new("[2001:db8::1]:465".into(), "a@b.example".into(), Vec::new());
    assert_eq!((mail.shown(), mail.warning()), ("smtp://[2001:db8::1]:465".to_owned(), None));
    mail.security = Security::Tls;
    assert_eq!((mail.shown(), mail.warning()), ("smtps://[2001:db8::1]:465".to_owned(), None));
    mail.security = Security::None;
    let warning = mail.warning().unwrap();
    assert!(warning.contains("anyone on the way can read them; use starttls"), "{warning}");
    let warning = with_login(mail).warning().unwrap();
    assert!(warning.contains("read them, and the password;"), "{warning}");
    let mail = Mail::new("pass@word".into(), String::new(), Vec::new());
    assert_eq!(mail.shown(), "(no host and port)");
}
