//! `#[tool]`: what is read from the function, every rule it has to keep, and what it becomes.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Pat, PatType, ReturnType, Safety,
    Signature, Type,
};

use crate::attr::{Arguments, Grammar};
use crate::errors::Errors;

const GRAMMAR: Grammar = Grammar { strings: &["name", "description"], flags: &[] };

pub(crate) fn expand(arguments: TokenStream, item: TokenStream, root: &TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &GRAMMAR, &mut errors);
    let function = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => function,
        Err(error) => {
            errors.note(not_a_function(&item).unwrap_or(error));
            let errors = errors.to_tokens();
            return quote!(#item #errors);
        }
    };
    let private = arguments.private(root);
    let tool = Tool::read(&function, &arguments, &mut errors);
    if errors.any() { tool.stub(&private, &errors) } else { tool.expand(&private) }
}

/// A clearer word than syn's for another kind of item.
fn not_a_function(item: &TokenStream) -> Option<syn::Error> {
    let item: syn::Item = syn::parse2(item.clone()).ok()?;
    Some(syn::Error::new_spanned(
        item,
        "`#[tool]` stands above a free function; for a type, implement the trait `Tool`",
    ))
}

/// A tool, as its function tells it.
struct Tool<'a> {
    function: &'a ItemFn,
    name: String,
    description: String,
    parameters: Vec<Parameter<'a>>,
}

/// A parameter of the function.
struct Parameter<'a> {
    ident: &'a Ident,
    /// The type that the model's value is read into.
    owned: TokenStream,
    borrowed: bool,
    doc: String,
    cfg: Vec<&'a Attribute>,
}

impl<'a> Tool<'a> {
    fn read(function: &'a ItemFn, arguments: &Arguments, errors: &mut Errors) -> Self {
        refuse_unfit(&function.sig, errors);
        let name = match arguments.string("name") {
            Some(literal) => {
                check_name(&literal.value(), literal, errors);
                literal.value()
            }
            None => {
                let name = function.sig.ident.to_string();
                let name = name.strip_prefix("r#").unwrap_or(&name).to_owned();
                check_name(&name, &function.sig.ident, errors);
                name
            }
        };
        let description = match arguments.string("description") {
            Some(literal) => literal.value().trim().to_owned(),
            None => doc(&function.attrs),
        };
        if description.is_empty() {
            errors.at(
                &function.sig.ident,
                "a tool needs a description, which the model chooses by: \
                 write a doc comment, or `#[tool(description = \"...\")]`",
            );
        }
        let parameters =
            function.sig.inputs.iter().filter_map(|input| Parameter::read(input, errors)).collect();
        Self { function, name, description, parameters }
    }

    /// The function as it was and a tool that is never made, so that a mistake is told once.
    fn stub(&self, private: &TokenStream, errors: &Errors) -> TokenStream {
        let errors = errors.to_tokens();
        let plain = Function { attrs: outer(&self.function.attrs), function: self.function };
        let marker = self.marker();
        let ident = &self.function.sig.ident;
        let name = &self.name;
        let cfg = cfgs(&self.function.attrs);
        quote! {
            #plain
            #marker
            #(#cfg)*
            impl #private::ToolFn for #ident {
                const NAME: &'static #private::str = #name;
                fn tool() -> #private::Arc<dyn #private::Tool> { loop {} }
            }
            #errors
        }
    }

    fn expand(&self, private: &TokenStream) -> TokenStream {
        let public = self.public(private);
        let marker = self.marker();
        let body = self.body();
        let registration = self.registration(private);
        let cfg = cfgs(&self.function.attrs);
        quote! {
            #public
            #marker
            #(#cfg)*
            const _: () = { #body #registration };
        }
    }

    /// The struct of the same name, in the type namespace.
    fn marker(&self) -> TokenStream {
        let ItemFn { vis, sig, attrs, .. } = self.function;
        let cfg = cfgs(attrs);
        let ident = &sig.ident;
        let doc = format!("The tool `{}`, for `tools![]`.", self.name);
        quote! {
            #[doc = #doc]
            #[allow(non_camel_case_types, dead_code)]
            #(#cfg)*
            #vis struct #ident { _private: () }
        }
    }

    /// The function under its own name: the body in a span.
    fn public(&self, private: &TokenStream) -> TokenStream {
        let ItemFn { attrs, vis, sig, .. } = self.function;
        let attrs = outer(attrs);
        let mut signature = sig.clone();
        strip_parameters(&mut signature);
        let ident = &sig.ident;
        let (name, description) = (&self.name, &self.description);
        let given = self.parameters.iter().map(|p| {
            let (cfg, ident) = (&p.cfg, p.ident);
            quote!(#(#cfg)* #ident)
        });
        let failure =
            if returns_result(&sig.output) { quote!(failure) } else { quote!(no_failure) };
        let call = quote!(#ident::#ident(#(#given),*));
        let wrapped = if sig.asyncness.is_some() {
            quote!(#private::traced_call(#name, #description, #call, #private::#failure).await)
        } else {
            quote! {
                #private::traced_call_sync(#name, #description, || #call, #private::#failure)
            }
        };
        quote! {
            #(#attrs)*
            #vis #signature { #wrapped }
        }
    }

    /// The function as it was written: an associated one, under the same name.
    fn body(&self) -> TokenStream {
        let ItemFn { attrs, sig, block, .. } = self.function;
        let attrs = inner(attrs);
        let ident = &sig.ident;
        let mut signature = sig.clone();
        strip_parameters(&mut signature);
        quote! {
            impl #ident {
                #(#attrs)*
                #signature #block
            }
        }
    }

    /// What makes it a tool.
    fn registration(&self, private: &TokenStream) -> TokenStream {
        let sig = &self.function.sig;
        let ident = &sig.ident;
        let (name, description) = (&self.name, &self.description);
        let checks = self.parameters.iter().map(|p| {
            let (cfg, owned, doc, parameter) = (&p.cfg, &p.owned, &p.doc, p.name());
            quote_spanned! {p.owned.span()=> #(#cfg)* #private::param::<#owned>(#parameter, #doc) }
        });
        let takes = self.parameters.iter().map(|p| {
            let (cfg, owned, variable, parameter) = (&p.cfg, &p.owned, p.variable(), p.name());
            quote!(#(#cfg)* let #variable: #owned = __arguments.take(#parameter)?;)
        });
        let given = self.parameters.iter().map(|p| {
            let (cfg, variable) = (&p.cfg, p.variable());
            let borrow = p.borrowed.then(|| quote!(&));
            quote!(#(#cfg)* #borrow #variable)
        });
        let call = quote!(#ident::#ident(#(#given),*));
        let run = if sig.asyncness.is_some() {
            quote!(#call.await)
        } else {
            quote!(#private::blocking(move || #call).await)
        };
        let output = match &sig.output {
            ReturnType::Default => Span::call_site(),
            ReturnType::Type(_, ty) => ty.span(),
        };
        let convert = if returns_result(&sig.output) { quote!(result) } else { quote!(value) };
        let convert = quote_spanned!(output=> #private::#convert(&__output));
        // At the name, so that a future which is not `Send` is told there.
        let boxed = quote_spanned! {ident.span()=>
            #private::boxed(async move {
                let mut __arguments = #private::Args::new(__call.arguments)?;
                #(#takes)*
                __arguments.finish(PARAMETERS)?;
                let __output = #run;
                #convert
            })
        };
        quote! {
            const PARAMETERS: &[#private::Param] = &[#(#checks),*];
            impl #private::ToolFn for #ident {
                const NAME: &'static #private::str = #name;
                fn tool() -> #private::Arc<dyn #private::Tool> {
                    static TOOL: #private::LazyLock<#private::Arc<dyn #private::Tool>> =
                        #private::LazyLock::new(|| {
                            #private::FnTool::shared(#name, #description, PARAMETERS, |__call| #boxed)
                        });
                    #private::Clone::clone(&*TOOL)
                }
            }
        }
    }
}

impl<'a> Parameter<'a> {
    fn read(input: &'a FnArg, errors: &mut Errors) -> Option<Self> {
        let PatType { attrs, pat, ty, .. } = match input {
            FnArg::Receiver(receiver) => {
                errors.at(receiver, "`#[tool]` stands above a free function, not a method");
                return None;
            }
            FnArg::Typed(typed) => typed,
        };
        let Pat::Ident(name) = &**pat else {
            errors.at(
                pat,
                "a parameter of a tool is a plain name, which the model is told; \
                 take the value apart in the body",
            );
            return None;
        };
        if name.by_ref.is_some() || name.subpat.is_some() {
            errors.at(name, "a parameter of a tool is a plain name, without `ref` or `@`");
            return None;
        }
        let (owned, borrowed) = owned_type(ty, errors)?;
        let cfg = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
        Some(Self { ident: &name.ident, owned, borrowed, doc: doc(attrs), cfg })
    }

    /// The name that the model is told.
    fn name(&self) -> String {
        let name = self.ident.to_string();
        name.strip_prefix("r#").unwrap_or(&name).to_owned()
    }

    fn variable(&self) -> Ident {
        format_ident!("__argument_{}", self.name())
    }
}

/// The type that a parameter's value is read into, and whether the function borrows it.
fn owned_type(ty: &Type, errors: &mut Errors) -> Option<(TokenStream, bool)> {
    match ty {
        Type::Reference(reference) => {
            if reference.mutability.is_some() {
                errors
                    .at(ty, "a tool cannot borrow mutably what the model sends; take it by value");
                return None;
            }
            match &*reference.elem {
                Type::Slice(slice) => {
                    let item = &slice.elem;
                    Some((quote_spanned!(ty.span()=> ::std::vec::Vec<#item>), true))
                }
                Type::Path(path) if path.path.is_ident("str") => {
                    Some((quote_spanned!(ty.span()=> ::std::string::String), true))
                }
                other => Some((other.to_token_stream(), true)),
            }
        }
        Type::ImplTrait(_) => {
            errors.at(ty, "a parameter of a tool has one known type, not `impl Trait`");
            None
        }
        other => Some((other.to_token_stream(), false)),
    }
}

/// What a function may not be, to be a tool.
fn refuse_unfit(sig: &Signature, errors: &mut Errors) {
    if !sig.generics.params.is_empty() {
        errors.at(&sig.generics, "a tool cannot be generic: the model is told one schema");
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, "a tool cannot have a `where` clause");
    }
    if let Some(token) = &sig.constness {
        errors.at(token, "a tool cannot be a `const fn`");
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a tool cannot be `unsafe`: the model chooses when it is called");
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, "a tool cannot be `extern`");
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a tool cannot be variadic");
    }
    if let ReturnType::Type(_, ty) = &sig.output
        && let Type::ImplTrait(_) = &**ty
    {
        errors.at(ty, "a tool returns one known type that serializes, not `impl Trait`");
    }
}

fn check_name(name: &str, tokens: impl ToTokens, errors: &mut Errors) {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        errors.at(
            tokens,
            format!(
                "`{name}` is not a tool name: a tool name has 1 to 64 ASCII letters, digits, `_` or `-`"
            ),
        );
    }
}

/// Whether a function returns a `Result`, under that name.
fn returns_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else { return false };
    let Type::Path(path) = &**ty else { return false };
    path.path.segments.last().is_some_and(|segment| segment.ident == "Result")
}

/// The text of a doc comment, without the space that follows the slashes.
fn doc(attrs: &[Attribute]) -> String {
    let lines: Vec<String> = attrs
        .iter()
        .filter_map(|attr| match &attr.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => literal(&meta.value),
            _ => None,
        })
        .flat_map(|literal| {
            let text = literal.value();
            text.split('\n')
                .map(|l| l.strip_prefix(' ').unwrap_or(l).to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    lines.join("\n").trim().to_owned()
}

fn literal(value: &Expr) -> Option<LitStr> {
    match value {
        Expr::Lit(ExprLit { lit: Lit::Str(literal), .. }) => Some(literal.clone()),
        _ => None,
    }
}

/// The attributes that switch an item on or off.
fn cfgs(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect()
}

const LINTS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];

/// The attributes of the public function: what its users see, and the lints.
fn outer(attrs: &[Attribute]) -> Vec<&Attribute> {
    let shown = ["doc", "cfg", "must_use", "deprecated", "allow", "warn", "deny", "forbid"];
    attrs.iter().filter(|attr| shown.iter().any(|name| attr.path().is_ident(name))).collect()
}

/// The attributes of the body: the lints, and whatever else works on a body.
fn inner(attrs: &[Attribute]) -> Vec<&Attribute> {
    let shown = ["doc", "cfg", "must_use", "deprecated"];
    attrs
        .iter()
        .filter(|attr| {
            LINTS.iter().any(|name| attr.path().is_ident(name))
                || !shown.iter().any(|name| attr.path().is_ident(name))
        })
        .collect()
}

/// Takes the attributes off the parameters: rustc allows none of ours there.
fn strip_parameters(sig: &mut Signature) {
    for input in &mut sig.inputs {
        if let FnArg::Typed(typed) = input {
            typed.attrs.retain(|attr| attr.path().is_ident("cfg"));
        }
    }
}

/// A function as it was written, with those of its attributes.
struct Function<'a> {
    attrs: Vec<&'a Attribute>,
    function: &'a ItemFn,
}

impl ToTokens for Function<'_> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let ItemFn { vis, sig, block, .. } = self.function;
        let attrs = &self.attrs;
        let mut signature = sig.clone();
        strip_parameters(&mut signature);
        tokens.extend(quote!(#(#attrs)* #vis #signature #block));
    }
}
