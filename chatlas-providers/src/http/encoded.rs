//! Replaces a secret in a text, in every encoding in which servers quote what they received: verbatim,
//! in a URL, in HTML, in JSON, in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The text that replaces a secret.
const REDACTED: &str = "[redacted]";
/// A shorter secret is not searched in base64: a few characters of it are part of other texts.
const SHORTEST_IN_BASE64: usize = 8;
/// The maximum length of an HTML entity without its `&`.
const MAX_ENTITY: usize = 12;
/// The names of characters in HTML that keys may have.
const ENTITIES: [(&str, char); 9] = [
    ("amp", '&'),
    ("apos", '\''),
    ("equals", '='),
    ("gt", '>'),
    ("lowbar", '_'),
    ("lt", '<'),
    ("plus", '+'),
    ("quot", '"'),
    ("sol", '/'),
];

/// Replaces a secret in a text.
pub(super) fn replace(text: &str, secret: &str) -> String {
    let shown = text.replace(secret, REDACTED);
    let mut shown = replace_escaped(&shown, secret, Edges::default());
    if secret.len() < SHORTEST_IN_BASE64 {
        return shown;
    }
    // The position of the secret in the encoded text decides its characters.
    for before in 0..3 {
        let encoded = STANDARD_NO_PAD.encode([&vec![0; before], secret.as_bytes()].concat());
        // The first and the last character may have bits of other bytes.
        let (first, end) = ((before * 8).div_ceil(6), (before + secret.len()) * 8 / 6);
        let Some(complete) = encoded.get(first..end) else { continue };
        let edges = Edges { before: before > 0, after: end < encoded.len() };
        shown = replace_escaped(&shown, complete, edges);
        if complete.contains(['+', '/']) {
            let of_urls = complete.replace('+', "-").replace('/', "_");
            shown = replace_escaped(&shown, &of_urls, edges);
        }
    }
    shown
}

/// Whether a base64 character before or after a text has bits of the secret.
#[derive(Clone, Copy, Default)]
struct Edges {
    before: bool,
    after: bool,
}

/// Replaces a secret any of whose characters may be escaped.
fn replace_escaped(text: &str, secret: &str, edges: Edges) -> String {
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_');
    let begins = |c: char| matches!(c, '%' | '\\' | '&') || secret.starts_with(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, found)) =
        rest.find(begins).and_then(|start| rest.split_at_checked(start))
    {
        shown.push_str(before);
        if let Some(after) = secret.chars().try_fold(found, strip) {
            if edges.before && shown.ends_with(is_base64) {
                shown.pop();
            }
            shown.push_str(REDACTED);
            rest = after.strip_prefix(is_base64).filter(|_| edges.after).unwrap_or(after);
        } else {
            let mut chars = found.chars();
            shown.extend(chars.next());
            rest = chars.as_str();
        }
    }
    shown + rest
}

/// Removes a character, escaped or not, from the front of a text.
fn strip(text: &str, c: char) -> Option<&str> {
    match text.chars().next()? {
        '%' => strip_percent(text, c),
        '\\' => strip_json(text, c),
        '&' => strip_html(text, c),
        _ => None,
    }
    .or_else(|| text.strip_prefix(c))
}

/// `%2B`, or `%252B` in a URL inside a URL.
fn strip_percent(text: &str, c: char) -> Option<&str> {
    let hex = |text: &'_ str, byte: u8| {
        let (digits, _) = text.split_at_checked(2)?;
        (u8::from_str_radix(digits, 16).ok()? == byte).then_some(2)
    };
    let mut rest = text;
    for byte in c.encode_utf8(&mut [0; 4]).bytes() {
        let digits = rest.strip_prefix('%')?;
        let length =
            hex(digits, byte).or_else(|| Some(2 + hex(digits.strip_prefix("25")?, byte)?))?;
        rest = digits.get(length..)?;
    }
    Some(rest)
}

/// `\/`, `\u002b`, or more backslashes in JSON inside JSON.
fn strip_json(text: &str, c: char) -> Option<&str> {
    if c == '\\' {
        return text.strip_prefix("\\\\");
    }
    let rest = text.trim_start_matches('\\');
    let Some(code) = rest.strip_prefix('u') else { return rest.strip_prefix(c) };
    let (digits, after) = code.split_at_checked(4)?;
    (u32::from_str_radix(digits, 16).ok()? == u32::from(c)).then_some(after)
}

/// `&#43;`, `&#x2B;`, `&plus;`, or `&amp;#43;` in HTML inside HTML.
fn strip_html(text: &str, c: char) -> Option<&str> {
    let mut rest = text.strip_prefix('&')?;
    if c != '&' {
        rest = rest.strip_prefix("amp;").unwrap_or(rest);
    }
    let length = rest.bytes().take(MAX_ENTITY).position(|byte| byte == b';')?;
    let (name, after) = rest.split_at_checked(length)?;
    let is_same = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            code.ok()? == u32::from(c)
        }
        None => ENTITIES.contains(&(name, c)),
    };
    if is_same { after.strip_prefix(';') } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-live_a/b+9f8e&x==";

    #[test]
    fn a_secret_is_replaced_in_every_encoding() {
        for quoted in [
            KEY,
            "sk-live_a%2Fb%2B9f8e%26x%3D%3D",
            "sk-live_a%2fb%2b9f8e&x==",
            "sk-live_a%252Fb%252B9f8e%2526x%253D%253D",
            "%73%6B%2D%6C%69%76%65%5F%61%2F%62%2B%39%66%38%65%26%78%3D%3D",
            r"sk-live_a\/b+9f8e&x==",
            r"sk-live_a\/b\u002b9f8e\u0026x\u003d\u003D",
            r"sk-live_a\\\/b\\u002B9f8e\\u0026x==",
            "sk-live_a/b+9f8e&amp;x==",
            "sk-live_a&#47;b&#x2B;9f8e&#038;x&equals;&#x3d;",
            "sk-live_a&sol;b&plus;9f8e&amp;x==",
            "sk-live_a&amp;#x2F;b+9f8e&amp;x==",
        ] {
            let text = format!("ä key={quoted}, quoted &c. 100% \\ 5%");
            assert_eq!(replace(&text, KEY), "ä key=[redacted], quoted &c. 100% \\ 5%");
            assert_eq!(replace(quoted, KEY), "[redacted]");
        }
    }

    #[test]
    fn a_secret_is_replaced_in_base64() {
        use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
        let key = "sk-live_\u{ff}?>9f8e7d6c5b4a";
        for before in ["", "u:", "us:", "use:", "user:"] {
            for after in ["", ":x", ":xy", ":xyz"] {
                let plain = format!("{before}{key}{after}");
                for encoded in [STANDARD.encode(&plain), URL_SAFE_NO_PAD.encode(&plain)] {
                    for quoted in [encoded.replace('/', "\\/"), encoded] {
                        let shown = replace(&format!("Basic {quoted}!"), key);
                        assert!(shown.contains("[redacted]"), "{quoted}: {shown}");
                        let rest = shown.replace("[redacted]", "").replace("Basic ", "");
                        assert!(rest.len() <= before.len() * 2 + after.len() * 2 + 4, "{rest}");
                    }
                }
            }
        }
        // A short one may be a part of any text.
        assert_eq!(replace("MDEyMw==", "0123"), "MDEyMw==");
    }

    #[test]
    fn other_text_is_unchanged() {
        for text in ["", "%", "%2", "\\", "\\u00", "&", "&#;", "&#x;", "&amp", "%zz \\q &nope; äöü"]
        {
            assert_eq!(replace(text, KEY), text);
            assert_eq!(replace(text, "äöüäöü"), text);
        }
        let long = "&%\\s".repeat(20_000);
        assert_eq!(replace(&long, KEY), long);
    }
}
