//! The rules for what is written in the parentheses of `#[provider]`.

use syn::LitStr;

use crate::errors::Errors;

/// `gen_ai.provider.name`.
pub(super) fn name(text: &LitStr, errors: &mut Errors) {
    let name = text.value();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    if name.is_empty() || !name.bytes().all(fits) {
        errors.at(
            text,
            format!(
                "`{name}` is not a provider name: it goes on every span, and has lower-case ASCII \
                 letters, digits, `.`, `_` or `-`"
            ),
        );
    }
}

pub(super) fn base_url(text: &LitStr, errors: &mut Errors) {
    let url = text.value();
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if host.is_none_or(str::is_empty) {
        errors.at(text, "a base URL begins with `https://` (or `http://`) and a host");
    }
}

pub(super) fn variable(text: &LitStr, errors: &mut Errors) {
    let name = text.value();
    if name.is_empty() || name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'_') {
        errors.at(
            text,
            "the name of an environment variable has letters, digits and `_`; leave `api_key_env` \
             out where no key is needed",
        );
    }
}

pub(super) fn model(text: &LitStr, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.at(text, "a model has a name; leave `default_model` out where there is no default");
    }
}
