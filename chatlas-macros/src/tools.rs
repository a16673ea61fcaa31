//! `tools![]`: a set of tools, after a check that no two have one name.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{Path, Token};

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
        let entry = |input: ParseStream<'_>| {
            let span = input.span();
            input.call(Path::parse_mod_style).map_err(|_| {
                syn::Error::new(span, "an entry of `tools![]` is the path of a `#[tool]` function")
            })
        };
        let tools = Punctuated::<Path, Token![,]>::parse_terminated_with(input, entry)?;
        Ok(Self { root, tools: tools.into_iter().collect() })
    }
}

pub(crate) fn expand(input: TokenStream, root: &TokenStream) -> TokenStream {
    let List { root: given, tools } = match syn::parse2(input) {
        Ok(list) => list,
        Err(error) => return error.to_compile_error(),
    };
    let root = given.map_or_else(|| root.clone(), ToTokens::into_token_stream);
    let private = quote!(#root::__private);
    let name = |tool: &Path| quote_spanned!(tool.span()=> <#tool as #private::ToolFn>::NAME);
    let checks = tools.iter().enumerate().skip(1).map(|(index, tool)| {
        let (this, earlier) = (name(tool), tools[..index].iter().map(name));
        quote_spanned! {tool.span()=>
            const _: () = #private::assert_not_among(#this, &[#(#earlier),*]);
        }
    });
    let made =
        tools.iter().map(|tool| quote_spanned!(tool.span()=> <#tool as #private::ToolFn>::tool()));
    quote! {{
        #(#checks)*
        #private::tool_set([#(#made),*])
    }}
}
