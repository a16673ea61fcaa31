//! The rules for the arguments of `#[provider]`.

use syn::LitStr;

use crate::errors::Errors;

/// `gen_ai.provider.name`.
pub(crate) fn name(text: &LitStr, errors: &mut Errors) {
    let name = text.value();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(fits) {
        errors.at(
            text,
            format!(
                "`{name}` is not a valid provider name, which is recorded on every span; use \
                 lower-case ASCII letters, digits, `.`, `_` or `-`"
            ),
        );
    }
}

pub(super) fn base_url(text: &LitStr, errors: &mut Errors) {
    let url = text.value();
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_none_or(str::is_empty) {
        errors.at(text, "invalid base URL; start with `https://` or `http://` and a host");
    }
}

pub(super) fn variable(text: &LitStr, errors: &mut Errors) {
    let name = text.value();
    if name.is_empty() || name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'_') {
        errors.at(
            text,
            "invalid name of an environment variable; use ASCII letters, digits and `_`, or remove \
             `api_key_env` if no key is needed",
        );
    }
}

pub(super) fn model(text: &LitStr, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.at(text, "the default model is empty; write its name, or remove the argument");
    }
}
