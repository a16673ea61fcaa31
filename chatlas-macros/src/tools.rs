//! `tools![]`: a set of tools, after a check that no two have one name.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Path, Token};

use crate::place::{at, here};

/// `crate = path; a, b::c, …`
struct List {
    root: Option<Path>,
    tools: Vec<Path>,
}

impl Parse for List {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let root = if input.peek(Token![crate]) && input.peek2(Token![=]) {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            let root = input.call(Path::parse_mod_style)?;
            input.parse::<Token![;]>()?;
            Some(root)
        } else {
            None
        };
        let tools = Punctuated::<Path, Token![,]>::parse_terminated_with(input, entry)?;
        Ok(Self { root, tools: tools.into_iter().collect() })
    }
}

fn entry(input: ParseStream<'_>) -> syn::Result<Path> {
    let span = input.span();
    match input.call(Path::parse_mod_style) {
        Ok(path) if input.is_empty() || input.peek(Token![,]) => Ok(path),
        _ => {
            Err(syn::Error::new(span, "an entry of `tools![]` is the path of a `#[tool]` function"))
        }
    }
}

pub(crate) fn expand(input: TokenStream, root: &TokenStream) -> TokenStream {
    let List { root: given, tools } = match syn::parse2(input) {
        Ok(list) => list,
        Err(error) => return error.to_compile_error(),
    };
    let root = given.map_or_else(|| root.clone(), ToTokens::into_token_stream);
    let private = quote!(#root::__private);
    let names =
        tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::ToolFn>::NAME));
    let checks = tools.iter().enumerate().skip(1).map(|(index, tool)| {
        let span = here(tool.span());
        let check = quote!(#private::assert_not_among(__NAMES[#index], __NAMES.split_at(#index).0));
        let check = at(span, &check);
        quote_spanned!(span=> const _: () = #check;)
    });
    let made =
        tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::ToolFn>::tool()));
    quote! {{
        const __NAMES: &[&#private::str] = &[#(#names),*];
        #(#checks)*
        #private::tool_set([#(#made),*])
    }}
}
