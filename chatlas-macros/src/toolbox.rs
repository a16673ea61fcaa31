//! `#[toolbox]`: an impl with methods that are tools.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Attribute, Generics, ItemImpl, Meta, Token, Type, braced};

use crate::attr::{Arguments, Grammar};
use crate::errors::Errors;
use crate::function::Function;
use crate::operation::kind::stacked;
use crate::span::{at_call_site, respan};
use crate::tool::{self, Tool, is_tool};

const GRAMMAR: Grammar = Grammar(&[]);

/// An impl, of whose items only the tools are parsed.
struct ToolboxImpl {
    attrs: Vec<Attribute>,
    impl_token: Token![impl],
    generics: Generics,
    owner: Box<Type>,
    items: Vec<Item>,
}

enum Item {
    /// A method with `#[tool]`, and the arguments of that attribute.
    Tool(TokenStream, Box<Function>),
    Other(TokenStream),
}

impl Parse for ToolboxImpl {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let impl_token = input.parse()?;
        let mut generics: Generics = input.parse()?;
        let owner = input.parse()?;
        generics.where_clause = input.parse()?;
        let body;
        braced!(body in input);
        let mut items = Vec::new();
        while !body.is_empty() {
            items.push(body.parse()?);
        }
        Ok(Self { attrs, impl_token, generics, owner, items })
    }
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let Some(position) = attrs.iter().position(is_tool) else {
            let rest = rest(input)?;
            return Ok(Self::Other(quote!(#(#attrs)* #rest)));
        };
        let attribute = attrs.remove(position);
        let arguments = match attribute.meta {
            Meta::List(list) => list.tokens,
            _ => TokenStream::new(),
        };
        let function = Function::after_attributes(attrs, input)?;
        Ok(Self::Tool(arguments, Box::new(function)))
    }
}

/// Returns the tokens of any other item, up to its braces or its semicolon.
fn rest(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    loop {
        let token: proc_macro2::TokenTree = input.parse()?;
        let end = match &token {
            proc_macro2::TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            proc_macro2::TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        tokens.extend([token]);
        // The value of a constant can contain braces.
        if (end && !input.peek(Token![;])) || input.is_empty() {
            return Ok(tokens);
        }
    }
}

pub(crate) fn expand(
    arguments: TokenStream,
    item: &TokenStream,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let private = arguments.private(root);
    let block: ToolboxImpl = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            errors.push(not_a_toolbox(item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    block.expand(&private, errors)
}

/// Returns a clearer error than that of syn for another kind of item.
fn not_a_toolbox(item: &TokenStream) -> Option<syn::Error> {
    let message = match syn::parse2::<syn::Item>(item.clone()).ok()? {
        syn::Item::Impl(ItemImpl { trait_: None, .. }) => return None,
        syn::Item::Impl(_) => {
            "`#[toolbox]` cannot be used on the impl of a trait; use it on an inherent impl, and call \
             the trait's methods from there"
        }
        _ => "`#[toolbox]` can only be used on an inherent impl; write `impl Name { ... }`",
    };
    Some(syn::Error::new_spanned(item, message))
}

impl ToolboxImpl {
    fn expand(&self, private: &TokenStream, mut errors: Errors) -> TokenStream {
        let Self { attrs, impl_token, generics, owner, items } = self;
        if !generics.params.is_empty() {
            errors.at(
                &generics.params,
                "a toolbox cannot be generic, because each tool has one JSON schema; use a concrete \
                 type",
            );
        }
        let borrows = quote!(#owner).to_string().contains("'_");
        if borrows {
            errors.at(
                owner,
                "a toolbox cannot borrow data, because it lives as long as its tools; use owned \
                 values or an `Arc`",
            );
        }
        let tools: Vec<(Tool<'_>, TokenStream)> = items
            .iter()
            .filter_map(|item| match item {
                Item::Tool(arguments, function) => {
                    let arguments =
                        Arguments::parse(arguments.clone(), &tool::GRAMMAR, &mut errors);
                    let private = if arguments.has("crate") {
                        arguments.private(&TokenStream::new())
                    } else {
                        private.clone()
                    };
                    stacked("tool", &function.attrs, &mut errors);
                    let tool = Tool::read(function, &arguments, Some(owner), &mut errors);
                    Some((tool, private))
                }
                Item::Other(_) => None,
            })
            .collect();
        if tools.is_empty() {
            errors.at(owner, "this toolbox has no tools; write `#[tool]` on at least one method");
        }
        let checks = distinct(&tools, private, &mut errors);
        let mut read = tools.iter();
        let failed = errors.any();
        let items = items.iter().map(|item| match item {
            Item::Other(tokens) => tokens.clone(),
            Item::Tool(..) => read.next().map_or_else(TokenStream::new, |(tool, private)| {
                if failed {
                    return tool.original();
                }
                let (public, body) = (tool.public(private), tool.body(private));
                quote!(#public #body)
            }),
        });
        let where_clause = &generics.where_clause;
        let block = quote! {
            #(#attrs)*
            #impl_token #generics #owner #where_clause { #(#items)* }
        };
        let registration = if failed {
            let is_concrete = generics.params.is_empty() && !borrows;
            let stub = is_concrete.then(|| stub(owner, private));
            quote!(#stub)
        } else {
            registration(owner, &tools, &checks, private)
        };
        let errors = errors.to_tokens();
        quote!(#block #registration #errors)
    }
}

/// Returns an impl of `Toolbox` that is never called, so that the compiler reports no further errors.
fn stub(owner: &Type, private: &TokenStream) -> TokenStream {
    quote! {
        impl #private::Toolbox for #owner {
            const NAMES: &'static [#private::Name] = &[];
            fn tools(self: #private::Arc<Self>) -> #private::Vec<#private::Arc<dyn #private::Tool>> {
                loop {}
            }
        }
    }
}

fn registration(
    owner: &Type,
    tools: &[(Tool<'_>, TokenStream)],
    checks: &TokenStream,
    private: &TokenStream,
) -> TokenStream {
    // With this bound, the compiler reports a type that is not `Send + Sync` once, not per method.
    let shared = respan(at_call_site(owner.span()), &quote!(#private::Send + #private::Sync));
    let names = tools.iter().map(|(tool, private)| {
        let (cfg, name) = (tool.cfg(), tool.name_constant(private));
        quote!(#(#cfg)* #name)
    });
    let pushed = tools.iter().map(|(tool, private)| {
        let (attributes, tool) = (tool.item_attributes(), tool.method_tool(private));
        quote!(#(#attributes)* __tools.push(#tool);)
    });
    quote! {
        const _: () = {
            #checks
            impl #private::Toolbox for #owner where #owner: #shared {
                const NAMES: &'static [#private::Name] = &[#(#names),*];
                fn tools(
                    self: #private::Arc<Self>,
                ) -> #private::Vec<#private::Arc<dyn #private::Tool>> {
                    let mut __tools = #private::Vec::new();
                    #(#pushed)*
                    __tools
                }
            }
        };
    }
}

/// Checks that the names of the tools differ. Returns checks for the compiler for tools with a
/// `#[cfg]`, which a macro cannot evaluate.
fn distinct(
    tools: &[(Tool<'_>, TokenStream)],
    private: &TokenStream,
    errors: &mut Errors,
) -> TokenStream {
    let mut checks = TokenStream::new();
    for (index, (tool, _)) in tools.iter().enumerate() {
        let Some((other, _)) = tools.iter().take(index).find(|(other, _)| other.name == tool.name)
        else {
            continue;
        };
        let (cfg, others_cfg) = (tool.cfg(), other.cfg());
        let (constant, name) = (tool.name_constant(private), &tool.name);
        if cfg.is_empty() && others_cfg.is_empty() {
            errors.at(
                &tool.name_tokens,
                format!(
                    "another tool in this impl has the name `{name}`; rename one with \
                     `#[tool(name = \"...\")]`"
                ),
            );
            continue;
        }
        let check = respan(
            at_call_site(tool.name_tokens.span()),
            &quote!(#private::assert_not_among(#constant, &[#(#others_cfg)* #constant])),
        );
        checks.extend(quote!(#(#cfg)* const _: () = #check;));
    }
    checks
}
