//! `#[toolbox]`: an impl whose methods are tools.

use proc_macro2::{Delimiter, TokenStream};
use quote::quote;
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Generics, ItemImpl, Meta, Token, Type, braced};

use crate::attr::{Arguments, Grammar};
use crate::errors::Errors;
use crate::function::Function;
use crate::tool::{self, Tool, is_tool};

const GRAMMAR: Grammar = Grammar(&[]);

/// An impl: its head is parsed, and of its items those that are tools.
struct Block {
    attrs: Vec<Attribute>,
    impl_token: Token![impl],
    generics: Generics,
    owner: Box<Type>,
    items: Vec<Item>,
}

enum Item {
    /// With the arguments of its `#[tool]`.
    Tool(TokenStream, Box<Function>),
    Other(TokenStream),
}

impl Parse for Block {
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

/// An item that is no tool, as it stands: up to its braces or its semicolon.
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
        // A constant's value may have braces of its own.
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
    let block: Block = match syn::parse2(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            errors.note(not_a_block(item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    block.expand(&private, errors)
}

/// A clearer word than syn's for another kind of item.
fn not_a_block(item: &TokenStream) -> Option<syn::Error> {
    let message = match syn::parse2::<syn::Item>(item.clone()).ok()? {
        syn::Item::Impl(ItemImpl { trait_: None, .. }) => return None,
        syn::Item::Impl(_) => {
            "`#[toolbox]` stands above an impl of the type's own, not of a trait: call the \
             trait's methods from there"
        }
        _ => "`#[toolbox]` stands above the impl whose methods are tools: `impl Name { ... }`",
    };
    Some(syn::Error::new_spanned(item, message))
}

impl Block {
    fn expand(&self, private: &TokenStream, mut errors: Errors) -> TokenStream {
        let Self { attrs, impl_token, generics, owner, items } = self;
        if !generics.params.is_empty() {
            errors
                .at(&generics.params, "a toolbox is one known type: the model is told one schema");
        }
        let borrows = quote!(#owner).to_string().contains("'_");
        if borrows {
            errors.at(owner, "a toolbox borrows nothing: its tools live as long as their set");
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
                    let tool = Tool::read(function, &arguments, Some(owner), &mut errors);
                    Some((tool, private))
                }
                Item::Other(_) => None,
            })
            .collect();
        if tools.is_empty() {
            errors.at(
                owner,
                "this toolbox is empty: write `#[tool]` above the methods that are tools",
            );
        }
        let checks = distinct(&tools, private, &mut errors);
        let mut read = tools.iter();
        let failed = errors.any();
        let items = items.iter().map(|item| match item {
            Item::Other(tokens) => tokens.clone(),
            Item::Tool(..) => read.next().map_or_else(TokenStream::new, |(tool, private)| {
                if failed {
                    return tool.bare();
                }
                let (public, body) = (tool.public(private), tool.body(private));
                // The body is no part of what others see.
                quote!(#public #body)
            }),
        });
        let where_clause = &generics.where_clause;
        let block = quote! {
            #(#attrs)*
            #impl_token #generics #owner #where_clause { #(#items)* }
        };
        let registration = if failed {
            let known = generics.params.is_empty() && !borrows;
            let stub = known.then(|| stub(owner, private));
            quote!(#stub)
        } else {
            registration(owner, &tools, &checks, private)
        };
        let errors = errors.to_tokens();
        quote!(#block #registration #errors)
    }
}

/// A toolbox that is never opened, so that a mistake is told once.
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
    // A bound, so that a type which calls cannot share is told once, and not in each call again.
    let at_owner = crate::place::here(syn::spanned::Spanned::span(owner));
    let shared = crate::place::at(at_owner, &quote!(#private::Send + #private::Sync));
    let names = tools.iter().map(|(tool, private)| {
        let (cfg, name) = (tool.cfg(), tool.key(private));
        quote!(#(#cfg)* #name)
    });
    let made = tools.iter().map(|(tool, private)| {
        let (around, made) = (tool.around(), tool.made_of_method(private));
        quote!(#(#around)* __tools.push(#made);)
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
                    #(#made)*
                    __tools
                }
            }
        };
    }
}

/// No two of one name. Where a `#[cfg]` decides, the compiler is asked.
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
        let (key, name) = (tool.key(private), &tool.name);
        if cfg.is_empty() && others_cfg.is_empty() {
            errors.at(
                &tool.named_at,
                format!(
                    "another tool of this impl has the name `{name}`; rename one with \
                     `#[tool(name = \"...\")]`"
                ),
            );
            continue;
        }
        let span = crate::place::here(syn::spanned::Spanned::span(&tool.named_at));
        let check = crate::place::at(
            span,
            &quote!(#private::assert_not_among(#key, &[#(#others_cfg)* #key])),
        );
        checks.extend(quote!(#(#cfg)* const _: () = #check;));
    }
    checks
}
