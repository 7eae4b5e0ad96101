//! Words that are added to a name to make it look official.

/// Words that say little by themselves, so a short name beside them is still that name. Sorted.
const WORDS: &[&str] = &[
    "access",
    "account",
    "accounts",
    "admin",
    "alert",
    "alerts",
    "app",
    "apps",
    "auth",
    "backup",
    "bank",
    "banking",
    "billing",
    "blog",
    "bonus",
    "business",
    "card",
    "cards",
    "care",
    "center",
    "chat",
    "check",
    "checkout",
    "claim",
    "client",
    "clients",
    "cloud",
    "club",
    "co",
    "com",
    "confirm",
    "connect",
    "contact",
    "customer",
    "customers",
    "data",
    "de",
    "deal",
    "deals",
    "delivery",
    "desk",
    "dev",
    "direct",
    "discount",
    "download",
    "drive",
    "email",
    "en",
    "eu",
    "event",
    "events",
    "free",
    "gift",
    "gifts",
    "global",
    "go",
    "group",
    "help",
    "helpdesk",
    "home",
    "id",
    "inc",
    "info",
    "invoice",
    "io",
    "live",
    "local",
    "locked",
    "login",
    "logon",
    "mail",
    "manage",
    "member",
    "members",
    "mobile",
    "my",
    "net",
    "new",
    "news",
    "notice",
    "now",
    "office",
    "official",
    "online",
    "order",
    "orders",
    "org",
    "outlet",
    "page",
    "parcel",
    "password",
    "pay",
    "payment",
    "payments",
    "portal",
    "prize",
    "pro",
    "promo",
    "recover",
    "recovery",
    "refund",
    "register",
    "renew",
    "reset",
    "reward",
    "rewards",
    "safe",
    "safety",
    "sale",
    "sales",
    "secure",
    "secured",
    "security",
    "server",
    "service",
    "services",
    "shop",
    "sign",
    "signin",
    "signup",
    "site",
    "sms",
    "sso",
    "staff",
    "status",
    "store",
    "support",
    "survey",
    "system",
    "team",
    "tech",
    "test",
    "the",
    "ticket",
    "tickets",
    "token",
    "track",
    "tracking",
    "trade",
    "trust",
    "uk",
    "unlock",
    "update",
    "updates",
    "upgrade",
    "us",
    "user",
    "users",
    "vault",
    "verification",
    "verified",
    "verify",
    "vip",
    "vpn",
    "wallet",
    "web",
    "webmail",
    "website",
    "welcome",
    "win",
    "world",
    "www",
    "your",
];

/// Reports whether a text is only words that are usually added, digits and hyphens.
pub(super) fn are_usual(text: &str) -> bool {
    let longest = WORDS.iter().map(|word| word.len()).max().unwrap_or_default();
    // For each place, whether the text up to it is made of words.
    let mut reached = vec![false; text.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for end in 1..=text.len() {
        let is_reached = (end.saturating_sub(longest)..end).any(|start| {
            reached.get(start) == Some(&true) && text.get(start..end).is_some_and(is_usual)
        });
        if let Some(place) = reached.get_mut(end) {
            *place = is_reached;
        }
    }
    reached.last() == Some(&true)
}

fn is_usual(part: &str) -> bool {
    part == "-"
        || matches!(part.as_bytes(), [digit] if digit.is_ascii_digit())
        || WORDS.binary_search(&part).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        let mut sorted = WORDS.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted, WORDS);
    }

    #[test]
    fn words_digits_and_hyphens_are_usual() {
        for text in ["", "login", "-login", "securelogin", "my-account-2026", "24", "wwwmy"] {
            assert!(are_usual(text), "{text}");
        }
        for text in ["pine", "loginx", "xlogin", "b\u{fc}cher", "ay", "secur"] {
            assert!(!are_usual(text), "{text}");
        }
        assert!(!are_usual(&"login".repeat(50).replace("nlog", "nxlog")));
    }
}
