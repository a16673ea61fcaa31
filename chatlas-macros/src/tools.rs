//! `tools![]`: a set of tools, after a check that no two have one name.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Expr, Path, Token};

use crate::errors::Errors;
use crate::place::{at, here};

/// `crate = path; with app => a, b::c, ..toolbox`
struct List {
    root: Option<Path>,
    state: Option<Expr>,
    entries: Vec<Entry>,
    errors: Errors,
}

enum Entry {
    /// The path of a `#[tool]` function.
    Tool(Path),
    /// `..value`: the tools of a toolbox.
    Toolbox(Expr),
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
        let state = if is_with(input) {
            input.parse::<Ident>()?;
            let state = input.parse()?;
            input.parse::<Token![=>]>().map_err(|error| {
                syn::Error::new(error.span(), "state is given as `tools![with app => a, b]`")
            })?;
            Some(state)
        } else {
            None
        };
        let mut list = Self { root, state, entries: Vec::new(), errors: Errors::default() };
        while !input.is_empty() {
            list.entry(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(list)
    }
}

/// Whether state follows: a tool may be named `with`, too.
fn is_with(input: ParseStream<'_>) -> bool {
    let is_with = matches!(input.fork().parse::<Ident>(), Ok(word) if word == "with");
    let ahead = input.fork();
    let _ = ahead.parse::<Ident>();
    is_with && !ahead.is_empty() && !ahead.peek(Token![,]) && !ahead.peek(Token![::])
}

impl List {
    fn entry(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![..]) {
            input.parse::<Token![..]>()?;
            self.entries.push(Entry::Toolbox(input.parse()?));
            return Ok(());
        }
        let ahead = input.fork();
        match ahead.call(Path::parse_mod_style) {
            Ok(_) if ahead.is_empty() || ahead.peek(Token![,]) => {
                self.entries.push(Entry::Tool(input.call(Path::parse_mod_style)?));
            }
            _ => {
                let span = input.span();
                let found = input.parse::<Expr>();
                let message = "an entry of `tools![]` is the path of a `#[tool]` function, or \
                               `..value` for the tools of a toolbox";
                self.errors.note(match found {
                    Ok(expr) => syn::Error::new_spanned(expr, message),
                    Err(_) => return Err(syn::Error::new(span, message)),
                });
            }
        }
        Ok(())
    }
}

pub(crate) fn expand(input: TokenStream, root: &TokenStream) -> TokenStream {
    let list: List = match syn::parse2(input) {
        Ok(list) => list,
        Err(error) => return error.to_compile_error(),
    };
    let root = list.root.as_ref().map_or_else(|| root.clone(), ToTokens::to_token_stream);
    list.expand(&quote!(#root::__private))
}

impl List {
    fn expand(&self, private: &TokenStream) -> TokenStream {
        let paths: Vec<&Path> = self
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Tool(path) => Some(path),
                Entry::Toolbox(_) => None,
            })
            .collect();
        let toolboxes: Vec<&Expr> = self
            .entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Toolbox(value) => Some(value),
                Entry::Tool(_) => None,
            })
            .collect();
        let names = names(&paths, private);
        let boxes = variables("__toolbox", toolboxes.len());
        let opened = opened(&toolboxes, &boxes, private);
        let state = if self.state.is_some() {
            quote!(#private::Shared(__state).share())
        } else {
            quote!(#private::no_state())
        };
        let given = self.state.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
        let tools = self.tools(&boxes, private);
        let errors = self.errors.to_tokens();
        // What the program gave is evaluated outside the scope of what is ours.
        quote! {
            match (#given, #(#toolboxes,)*) {
                (__state, #(#boxes,)*) => {
                    #errors
                    #names
                    #[allow(unused_imports)]
                    use #private::Share as _;
                    let __state = #state;
                    #opened
                    #tools
                }
            }
        }
    }

    /// All of them, in the order they stand there.
    fn tools(&self, boxes: &[Ident], private: &TokenStream) -> TokenStream {
        let tool = |path: &Path| {
            let span = here(path.span());
            quote_spanned!(span=> <#path as #private::ToolWith<_, _>>::tool(&__state))
        };
        let mut boxes = boxes.iter();
        if boxes.len() == 0 {
            let made = self.entries.iter().map(|entry| match entry {
                Entry::Tool(path) => tool(path),
                Entry::Toolbox(_) => TokenStream::new(),
            });
            return quote!(#private::tool_set(#private::vec![#(#made),*]));
        }
        let made = self.entries.iter().map(|entry| match entry {
            Entry::Tool(path) => {
                let tool = tool(path);
                quote!(__tools.push(#tool);)
            }
            Entry::Toolbox(_) => {
                let name = boxes.next();
                quote!(__tools.append(&mut #name);)
            }
        });
        quote! {
            let mut __tools = #private::Vec::new();
            #(#made)*
            #private::tool_set(__tools)
        }
    }
}

/// The names of the functions, and a check of each against those before it.
fn names(paths: &[&Path], private: &TokenStream) -> TokenStream {
    let names = paths.iter().map(|path| {
        // Lenient: what is no tool is told where it is made.
        quote_spanned!(here(path.span())=> #private::NameOf::<#path>::NAME)
    });
    let checks = paths.iter().enumerate().skip(1).map(|(index, path)| {
        at(here(path.span()), &quote!(#private::assert_new(__NAMES, #index);))
    });
    // One item for all, which is checked much faster than one for each.
    let checks = (paths.len() > 1).then(|| quote!(const _: () = { #(#checks)* };));
    quote! {
        const __NAMES: &[#private::Name] = {
            #[allow(unused_imports)]
            use #private::Nameless as _;
            &[#(#names),*]
        };
        #checks
    }
}

/// The tools of the toolboxes, whose names are checked when the types are known: when the program
/// is built.
fn opened(toolboxes: &[&Expr], boxes: &[Ident], private: &TokenStream) -> TokenStream {
    let types = variables("__T", boxes.len());
    let shared = boxes.iter().map(|name| quote!(let #name = #private::Shared(#name).share();));
    let opens = toolboxes.iter().zip(boxes).enumerate().map(|(index, (value, name))| {
        let span = here(value.span());
        let check = at(span, &quote!(#private::assert_none_among));
        let (before, given) = (types.iter().take(index), boxes.iter().take(index));
        let earlier = before.clone();
        let bounds = before.clone();
        let open = format_ident!("__open{index}", span = span);
        let call = at(span, &quote!((&#name, #(&#given),*)));
        quote_spanned! {span=>
            fn #open<__T: #private::Toolbox, #(#bounds: #private::Toolbox),*>(
                __toolbox: &#private::Arc<__T>,
                #(_: &#private::Arc<#earlier>),*
            ) -> #private::Vec<#private::Arc<dyn #private::Tool>> {
                const { #check(<__T as #private::Toolbox>::NAMES, __NAMES) };
                #(const {
                    #check(
                        <__T as #private::Toolbox>::NAMES,
                        <#before as #private::Toolbox>::NAMES,
                    )
                };)*
                <__T as #private::Toolbox>::tools(#private::Clone::clone(__toolbox))
            }
            let mut #name = #open #call;
        }
    });
    // Each is opened while those before it are still there, to be compared.
    let opens: Vec<TokenStream> = opens.collect();
    let opens = opens.iter().rev();
    quote!(#(#shared)* #(#opens)*)
}

fn variables(name: &str, count: usize) -> Vec<Ident> {
    (0..count).map(|index| format_ident!("{name}{index}", span = Span::call_site())).collect()
}
