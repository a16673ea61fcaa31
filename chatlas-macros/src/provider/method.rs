//! The methods of the trait `Provider`: their names, their return types, and the functions that record
//! their spans.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::{Attribute, GenericParam, ImplItem, ItemImpl, Type};

use crate::attr::nearest;
use crate::errors::Errors;
use crate::tool::types::{last_segment, type_arguments};

const NAMES: [&str; 8] = [
    "info",
    "chat",
    "chat_stream",
    "list_models",
    "count_tokens",
    "embed",
    "for_model",
    "with_tool",
];

/// An async method of the trait.
pub(super) struct AsyncMethod {
    /// The type that it returns in a `Result`.
    reply: &'static str,
    /// The function that its body is passed to.
    pub(super) wrapper: Option<Ident>,
}

impl AsyncMethod {
    /// Returns the method with that name.
    pub(super) fn named(name: &Ident, transparent: bool) -> Option<Self> {
        let name = name.to_string();
        let reply = match name.as_str() {
            "chat" => "Completion",
            "chat_stream" => "CompletionStream",
            "count_tokens" => "u64",
            "embed" => "Embeddings",
            "list_models" => "Vec",
            _ => return None,
        };
        let wrapper = match (transparent, name.as_str()) {
            (false, _) => Some(format_ident!("traced_{name}")),
            (true, "chat" | "chat_stream") => Some(format_ident!("forwarded_{name}")),
            (true, _) => None,
        };
        Some(Self { reply, wrapper })
    }

    /// Returns the type in the trait.
    pub(super) fn reply(&self, private: &TokenStream) -> TokenStream {
        let reply = format_ident!("{}", self.reply);
        let of = (self.reply == "Vec").then(|| quote!(<#private::Model>));
        quote!(#private::#reply #of)
    }

    /// Returns the return type as an error message shows it.
    pub(super) fn shown(&self) -> String {
        let of = if self.reply == "Vec" { "<Model>" } else { "" };
        format!("Result<{}{of}, ProviderError>", self.reply)
    }

    /// Returns whether a return type is written as that of the trait. It may be an alias of it, too.
    pub(super) fn returns(&self, ty: &Type) -> bool {
        let Some(types) =
            last_segment(ty).filter(|segment| segment.ident == "Result").and_then(type_arguments)
        else {
            return false;
        };
        let is =
            |ty: &Type, name: &str| last_segment(ty).is_some_and(|segment| segment.ident == name);
        matches!(types[..], [reply, error] if is(reply, self.reply) && is(error, "ProviderError"))
    }
}

/// Removes methods that the trait does not have, and reports them.
pub(super) fn remove_others(block: &mut ItemImpl, errors: &mut Errors) {
    block.items.retain(|item| {
        let ImplItem::Fn(method) = item else { return true };
        let ident = &method.sig.ident;
        let name = ident.to_string();
        if NAMES.contains(&name.as_str()) {
            return true;
        }
        let similar = nearest(&name, NAMES)
            .or_else(|| NAMES.into_iter().find(|other| other.ends_with(&format!("_{name}"))));
        let advice = similar.map_or_else(
            || "move it to an inherent impl".to_owned(),
            |similar| format!("did you mean `{similar}`?"),
        );
        errors.at(ident, format!("`Provider` has no method `{name}`; {advice}"));
        false
    });
}

/// Reports `#[async_trait]` on the impl, and removes it. Returns whether it was expanded before.
pub(super) fn remove_async_trait(block: &mut ItemImpl, errors: &mut Errors) -> bool {
    const MESSAGE: &str = "`#[provider]` makes the methods async; remove `#[async_trait]`";
    let is_async_trait = |attr: &Attribute| {
        attr.path().segments.last().is_some_and(|segment| segment.ident == "async_trait")
    };
    for attr in block.attrs.iter().filter(|attr| is_async_trait(attr)) {
        errors.at(attr, MESSAGE);
    }
    block.attrs.retain(|attr| !is_async_trait(attr));
    let expanded = block.items.iter().find_map(|item| match item {
        ImplItem::Fn(method) => {
            let mut generics = method.sig.generics.params.iter();
            let is_boxed = generics.any(|parameter| {
                matches!(parameter, GenericParam::Lifetime(it) if it.lifetime.ident == "async_trait")
            });
            is_boxed.then_some(&method.sig.ident)
        }
        _ => None,
    });
    if let Some(method) = expanded {
        errors.at(method, MESSAGE);
    }
    expanded.is_some()
}
