//! Texts of other tools without the secrets that they may hold: nothing of a configuration is shown that could open a door.

/// Words in the names of what is secret.
const SECRETS: [&str; 19] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "pwd",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "access-key",
    "accesskey",
    "account_key",
    "account-key",
    "accountkey",
    "private_key",
    "private-key",
    "privatekey",
    "credential",
    "authorization",
];
/// The same, where such a name must end: they begin other words, too.
const ENDS: [&str; 5] = ["sig", "signature", "pass", "auth", "cookie"];
/// Words that a secret follows without another sign.
const SCHEMES: [&str; 2] = ["bearer", "basic"];
/// What stands for what is left out.
const HIDDEN: &str = "…";

/// The address of a service: scheme, host and port. A path on the local disk and a multiaddress are taken as they are; what is
/// none of these is not shown at all.
pub fn endpoint(text: &str) -> Option<String> {
    let text = text.trim();
    if text.starts_with('/') && !text.contains(['@', '?', '#']) {
        return Some(text.to_owned());
    }
    let (scheme, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    // Nobody knows whether a password ends there.
    if rest[end..].contains('@') {
        return None;
    }
    let host = rest[..end].rsplit('@').next().unwrap_or_default();
    let port = host.rsplit_once(']').map_or(host, |(_, port)| port).split_once(':').map(|(_, port)| port);
    if port.is_some_and(|port| !port.chars().all(|c| c.is_ascii_digit())) {
        return None;
    }
    let plain = |text: &str, more: &str| text.chars().all(|c| c.is_alphanumeric() || more.contains(c));
    (plain(scheme, "+-.") && plain(host, "-.:[]_") && !host.is_empty()).then(|| format!("{scheme}://{host}"))
}

/// A sentence without what stands between `://` and the last `@`, and behind `?` in its addresses. It ends where a secret is
/// named: behind words such as `token=`, and behind `Bearer`.
pub fn without_secrets(text: &str) -> String {
    let text = without_users(text);
    let end = secret(&text).unwrap_or(text.len());
    let mut shown: String = text[..end].split_inclusive(char::is_whitespace).map(without_query).collect();
    if !text[end..].is_empty() && !shown.ends_with(HIDDEN) {
        shown.push_str(HIDDEN);
    }
    shown
}

/// A sentence without what stands between its first `://` and its last `@`: where a password ends, nobody knows.
fn without_users(text: &str) -> String {
    let begin = text.find("://").map(|at| at + "://".len());
    match begin.zip(text.rfind('@')) {
        Some((begin, end)) if begin < end => format!("{}{HIDDEN}{}", &text[..begin], &text[end..]),
        _ => text.to_owned(),
    }
}

/// A word without what stands behind the `?` of an address.
fn without_query(word: &str) -> String {
    let bare = word.trim_end();
    let path = bare.find("://").map(|at| at + "://".len());
    match path.and_then(|path| Some(path + bare[path..].find(['?', '#'])?)) {
        Some(at) => format!("{}{HIDDEN}{}", &bare[..=at], &word[bare.len()..]),
        None => word.to_owned(),
    }
}

/// Where the first secret may begin, if one is named.
fn secret(text: &str) -> Option<usize> {
    // The same bytes are at the same places.
    let low = text.to_ascii_lowercase();
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let mut end = 0;
    for part in low.split_inclusive(|c| !is_name(c)) {
        let name = part.trim_end_matches(|c| !is_name(c));
        let rest = &low[end + name.len()..];
        end += part.len();
        if SCHEMES.contains(&name) && rest.starts_with(char::is_whitespace) && !rest.trim_start().is_empty() {
            return Some(text.len() - rest.trim_start().len());
        }
        let is_secret = SECRETS.iter().any(|secret| name.contains(secret))
            || ENDS.contains(&name)
            || ENDS
                .iter()
                .any(|end| name.ends_with(&format!("-{end}")) || name.ends_with(&format!("_{end}")));
        // Quotes and brackets may close the name.
        let rest = rest.trim_start_matches(|c: char| {
            c.is_whitespace() || matches!(c, '"' | '\'' | '\\' | ']' | ')' | '`')
        });
        if let Some(value) = rest.strip_prefix([':', '=']).filter(|_| is_secret) {
            return Some(text.len() - value.trim_start().len());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port() {
        for (text, shown) in [
            (
                "https://user:pass@s3.example.org:9000/bucket?X-Amz-Signature=1",
                Some("https://s3.example.org:9000"),
            ),
            ("http://127.0.0.1:5001", Some("http://127.0.0.1:5001")),
            ("http://[::1]:5001/api/v0", Some("http://[::1]:5001")),
            ("https://a@b@host/x", Some("https://host")),
            ("/ip4/127.0.0.1/tcp/5001", Some("/ip4/127.0.0.1/tcp/5001")),
            ("/mnt/nas", Some("/mnt/nas")),
            ("/x?token=1", None),
            ("sk-secret", None),
            ("https://", None),
            ("https://u:pa/ss@h", None),
            ("https://u:pa?ss@h", None),
            ("https://user:pass", None),
            ("token=hunter2;url=https://h/x", None),
            ("", None),
        ] {
            assert_eq!(endpoint(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn a_sentence_keeps_its_words_and_loses_its_secrets() {
        for (text, shown) in [
            ("connection refused", "connection refused"),
            ("GET https://h:80/p?x=hunter2 failed", "GET https://h:80/p?… failed"),
            ("GET https://u:hunter2@host/p?sig=hunter2 failed", "GET https://…@host/p?…"),
            ("401: token=hunter2 is wrong", "401: token=…"),
            ("the token expired, at 12:00", "the token expired, at 12:00"),
            ("SignatureDoesNotMatch: the design: x", "SignatureDoesNotMatch: the design: x"),
            ("api_key: hunter2", "api_key: …"),
            ("api_key:", "api_key:"),
            ("Authorization: Bearer hunter2 refused", "Authorization: …"),
            ("Authorization: Token hunter2", "Authorization: …"),
            ("Authorization: token ghp_x", "Authorization: …"),
            ("\"password\":\"hunter2\"", "\"password\":…"),
            ("{\\\"password\\\" : \\\"hunter2\\\"}", "{\\\"password\\\" : …"),
            ("bearer hunter2", "bearer …"),
            ("token=hunter2;url=https://h/x", "token=…"),
            ("token = hunter2", "token = …"),
            ("https://h1/,https://u:p@h2/", "https://…@h2/"),
            ("https://user:pa/ss@host/", "https://…@host/"),
            ("https://user:pa ss@host/", "https://…@host/"),
            ("AccountName=a;AccountKey=hunter2==;x", "AccountName=a;AccountKey=…"),
            ("/p?a=1&sig=hunter2", "/p?a=1&sig=…"),
            ("X-Amz-Signature=hunter2", "X-Amz-Signature=…"),
            ("Signature=hunter2", "Signature=…"),
            ("für token=hünter2 ß", "für token=…"),
        ] {
            assert_eq!(without_secrets(text), shown);
        }
    }
}
