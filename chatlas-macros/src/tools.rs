//! `tools![]`: a set of tools, after a check that their names differ. The compiler checks the names
//! of functions and toolboxes; those of `dyn` entries exist at run time only.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::parse::{Parse, ParseStream};
use syn::spanned::Spanned as _;
use syn::{Expr, Path, Token};

use crate::errors::Errors;
use crate::span::{at_call_site, respan};

/// `crate = path; with app => a, b::c, ..toolbox, dyn value`
struct List {
    root: Option<Path>,
    state: Option<Expr>,
    entries: Vec<Entry>,
    errors: Errors,
}

enum Entry {
    /// The path of a `#[tool]` function.
    Function(Path),
    /// `..value`: the tools of a toolbox.
    Toolbox(Expr),
    /// `dyn value`: tools that are created at run time.
    Dyn(Expr),
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
        let state = if has_state(input) {
            input.parse::<Ident>()?;
            if input.peek(Token![=]) && !input.peek(Token![=>]) {
                return Err(input.error("`with` takes no `=`; write `tools![with app => a, b]`"));
            }
            let state = input.parse()?;
            input.parse::<Token![=>]>().map_err(|error| {
                syn::Error::new(error.span(), "missing `=>`; write `tools![with app => a, b]`")
            })?;
            Some(state)
        } else {
            None
        };
        let mut list = Self { root, state, entries: Vec::new(), errors: Errors::default() };
        while !input.is_empty() {
            list.parse_entry(input)?;
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(list)
    }
}

/// Returns whether the list begins with `with state`. A tool can have the name `with`, too.
fn has_state(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let is_with = matches!(ahead.parse::<Ident>(), Ok(word) if word == "with");
    is_with && !ahead.is_empty() && !ahead.peek(Token![,]) && !ahead.peek(Token![::])
}

/// Returns whether that word is next.
fn is_word(input: ParseStream<'_>, word: &str) -> bool {
    matches!(input.fork().parse::<Ident>(), Ok(next) if next == word)
}

impl List {
    fn parse_entry(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(Token![..]) {
            input.parse::<Token![..]>()?;
            let value = input.parse()?;
            if let Expr::Reference(reference) = &value {
                let message =
                    "a toolbox is moved into the list; remove the `&`, or share an `Arc` of it";
                return Err(syn::Error::new_spanned(reference.and_token, message));
            }
            self.entries.push(Entry::Toolbox(value));
            return Ok(());
        }
        if input.peek(Token![dyn]) {
            let keyword: Token![dyn] = input.parse()?;
            let error = |message| syn::Error::new(keyword.span, message);
            if input.peek(Token![..]) {
                return Err(error("a toolbox is not a `dyn` entry; write `..value`"));
            }
            let value =
                input.parse().map_err(|_| error("missing value after `dyn`; write `dyn value`"))?;
            self.entries.push(Entry::Dyn(value));
            return Ok(());
        }
        let ahead = input.fork();
        match ahead.call(Path::parse_mod_style) {
            Ok(_) if ahead.is_empty() || ahead.peek(Token![,]) => {
                self.entries.push(Entry::Function(input.call(Path::parse_mod_style)?));
            }
            Ok(_) if is_word(&ahead, "with") => {
                input.call(Path::parse_mod_style)?;
                return Err(input.error(
                    "the state of a list is written first, once: `tools![with app => a, b]`",
                ));
            }
            _ => {
                let span = input.span();
                let found = input.parse::<Expr>();
                let message = "invalid entry; write the path of a `#[tool]` function, `..value` for \
                               the tools of a toolbox, or `dyn value` for tools that are created at \
                               run time";
                self.errors.push(match found {
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
        let mut functions = Vec::new();
        let mut toolboxes = Vec::new();
        let mut values = Vec::new();
        let mut variables = Vec::new();
        // Each entry as an expression of the type `Vec<Arc<dyn Tool>>`, or `Arc<dyn Tool>`.
        let mut tools = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let variable = format_ident!("__entry{index}", span = Span::call_site());
            let span = at_call_site(entry.span());
            match entry {
                Entry::Function(path) => {
                    functions.push(path);
                    tools.push(quote_spanned! {span=>
                        <#path as #private::ToolFunction<_, _>>::tool(&__state)
                    });
                    continue;
                }
                Entry::Toolbox(value) => {
                    let shared = quote!(#private::Clone::clone(&#variable));
                    tools.push(respan(span, &quote!(#private::Toolbox::tools(#shared))));
                    toolboxes.push(Toolbox { span, variable: variable.clone() });
                    values.push(value);
                }
                Entry::Dyn(value) => {
                    tools.push(respan(span, &quote!(#private::IntoTools::into_tools(#variable))));
                    values.push(value);
                }
            }
            variables.push(variable);
        }
        let is_compared = functions.len() > 1 || !toolboxes.is_empty();
        let names = is_compared.then(|| names(&functions, private));
        let shared = toolboxes.iter().map(
            |Toolbox { variable, .. }| quote!(let #variable = #private::Shared(#variable).share();),
        );
        let checks = name_checks(&toolboxes, private);
        let value = self.state.as_ref().map_or_else(|| quote!(()), ToTokens::to_token_stream);
        let set = self.set(&tools, &checks, private);
        let errors = self.errors.to_tokens();
        // The expressions are evaluated outside the scope of the generated items.
        quote! {
            match (#value, #(#values,)*) {
                (__state, #(#variables,)*) => {
                    #errors
                    #names
                    #[allow(unused_imports)]
                    use #private::Share as _;
                    let __state = #private::Shared(__state).share();
                    #(#shared)*
                    #set
                }
            }
        }
    }

    /// Returns the expression of the set: a `ToolSet`, or a `Result` if there is a `dyn` entry.
    fn set(
        &self,
        tools: &[TokenStream],
        checks: &TokenStream,
        private: &TokenStream,
    ) -> TokenStream {
        let is_function = |entry: &Entry| matches!(entry, Entry::Function(_));
        if self.entries.iter().all(is_function) {
            return quote!(#private::tool_set(#private::vec![#(#tools),*]));
        }
        let added = self.entries.iter().zip(tools).map(|(entry, tools)| {
            if is_function(entry) {
                quote!(__tools.push(#tools);)
            } else {
                quote!(__tools.append(&mut #tools);)
            }
        });
        let is_dyn = self.entries.iter().any(|entry| matches!(entry, Entry::Dyn(_)));
        let set = if is_dyn { quote!(checked_tool_set) } else { quote!(tool_set) };
        quote! {
            let mut __tools = #private::Vec::new();
            #(#added)*
            #checks
            #private::#set(__tools)
        }
    }
}

impl Entry {
    fn span(&self) -> Span {
        match self {
            Self::Function(path) => path.span(),
            Self::Toolbox(value) | Self::Dyn(value) => value.span(),
        }
    }
}

/// Returns the constant of the functions' names, and the check of each name against those before it.
fn names(paths: &[&Path], private: &TokenStream) -> TokenStream {
    let names = paths.iter().map(|path| {
        // `NameOf` accepts any type: the compiler reports one that is not a tool elsewhere. In a
        // tuple, the path of a value is reported once, as in the other position.
        quote_spanned!(at_call_site(path.span())=> #private::NameOf::<(#path,)>::NAME)
    });
    let checks = paths.iter().enumerate().skip(1).map(|(index, path)| {
        respan(at_call_site(path.span()), &quote!(#private::assert_new(__NAMES, #index);))
    });
    // One constant for all checks compiles much faster than one for each.
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

/// A toolbox in the list.
struct Toolbox {
    span: Span,
    /// The variable that holds it, in an `Arc`.
    variable: Ident,
}

/// Returns the checks of the toolboxes' names against all names before them. A macro has the value
/// and not its type, so each check is a constant in a function that is generic over the type.
fn name_checks(toolboxes: &[Toolbox], private: &TokenStream) -> TokenStream {
    let generic = |index: usize| format_ident!("__T{index}", span = Span::call_site());
    let generics: Vec<Ident> = (0..toolboxes.len()).map(generic).collect();
    let checks = toolboxes.iter().enumerate().map(|(index, Toolbox { span, variable })| {
        let check = respan(*span, &quote!(#private::assert_none_among));
        let earlier: Vec<&Ident> = generics.iter().take(index).collect();
        let others = toolboxes.iter().take(index).map(|toolbox| &toolbox.variable);
        let function = format_ident!("__check{index}", span = *span);
        let call = respan(*span, &quote!((&#variable, #(&#others),*)));
        quote_spanned! {*span=>
            fn #function<__T: #private::Toolbox, #(#earlier: #private::Toolbox),*>(
                _: &#private::Arc<__T>,
                #(_: &#private::Arc<#earlier>),*
            ) {
                const { #check(<__T as #private::Toolbox>::NAMES, __NAMES) };
                #(const {
                    #check(
                        <__T as #private::Toolbox>::NAMES,
                        <#earlier as #private::Toolbox>::NAMES,
                    )
                };)*
            }
            #function #call;
        }
    });
    quote!(#(#checks)*)
}
