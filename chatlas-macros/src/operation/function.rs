//! An annotated function: reads its input, and runs its body inside the span of its operation.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{FnArg, Pat, PatType, ReturnType, Type};

use super::body::Body;
use super::facts::Facts;
use super::kind::{self, Operation};
use super::outcome::{Outcome, Recorded};
use super::valid;
use crate::attr::Arguments;
use crate::errors::Errors;
use crate::function::Function;
use crate::span::at_call_site;
use crate::tool::Tool;
use crate::tool::doc::Doc;
use crate::tool::returns::Returns;
use crate::tool::types::{bare, is_named};

pub(super) fn expand(
    operation: Operation,
    arguments: TokenStream,
    mut function: Function,
    root: &TokenStream,
) -> TokenStream {
    let mut errors = Errors::default();
    let arguments = Arguments::parse(arguments, &operation.grammar(), &mut errors);
    let private = arguments.private(root);
    kind::stacked(operation.name(), &function.attrs, &mut errors);
    if let Some(token) = &function.sig.constness {
        let message =
            format!("`#[{}]` cannot be used on a `const fn`; remove `const`", operation.name());
        errors.at(token, message);
    }
    if function.sig.asyncness.is_none() {
        valid::future(operation, &function.sig.output, &mut errors);
    }
    let parameters = Parameters::take(operation, &mut function, &mut errors);
    let is_tool = arguments.bool("tool").is_some();
    if !is_tool {
        // `Tool::read` checks those of a tool.
        valid::fields(arguments.fields("fields"), &mut errors);
        valid::skip(&arguments, &parameters.all, &mut errors);
    }
    let facts = facts(operation, &arguments, &function, &parameters, &private, &mut errors);
    let stream = match Returns::read(&function.sig.output, &mut Errors::default()) {
        Returns::Stream(items)
            if operation == Operation::Agent || operation == Operation::Workflow =>
        {
            Some(items)
        }
        _ => None,
    };
    let evaluated = name(&arguments, &function, &mut Errors::default());
    let span = start(operation, &arguments, &facts, &parameters, (&evaluated, &private));
    let outcome = outcome(operation, &arguments, &function);
    let body =
        Body { sig: &function.sig, statements: function.body.stream(), span, outcome, stream };
    let traced = body.expand(&private);
    if is_tool {
        let traced = function.with_body(traced);
        let mut tool = Tool::read(&traced, &arguments, None, &mut errors);
        // The body has the span of its operation, which a direct call needs alone.
        tool.has_own_span = true;
        if errors.any() {
            let original = Tool::read(&function, &arguments, None, &mut Errors::default());
            return original.stub(&private, &errors);
        }
        return tool.expand(&private);
    }
    if errors.any() {
        let errors = errors.to_tokens();
        // Another attribute of chatlas would report further errors.
        function.attrs.retain(|attr| !kind::is_operation(attr));
        return quote!(#[allow(unused)] #function #errors);
    }
    let Function { attrs, vis, sig, .. } = &function;
    quote!(#(#attrs)* #vis #sig { #traced })
}

/// The parameters that an operation reads.
#[derive(Default)]
struct Parameters {
    all: Vec<String>,
    input: Option<Ident>,
    top_k: Option<Ident>,
}

impl Parameters {
    /// Reads the parameters, and removes the attributes of the macro from them.
    fn take(operation: Operation, function: &mut Function, errors: &mut Errors) -> Self {
        let mut read = Self::default();
        let mut marked = None;
        for argument in &mut function.sig.inputs {
            let FnArg::Typed(typed) = argument else { continue };
            let is_marked = remove(typed, "input");
            let Pat::Ident(name) = &*typed.pat else {
                if is_marked {
                    errors.at(
                        &typed.pat,
                        "the input must be a plain name; destructure it in the body",
                    );
                }
                continue;
            };
            let ident = &name.ident;
            let word = ident.unraw().to_string();
            if is_marked && marked.replace(ident.clone()).is_some() {
                errors.at(ident, "duplicate attribute `#[input]`; remove one");
            }
            if word == "top_k" {
                read.top_k = Some(ident.clone());
            }
            if read.input.is_none() && is_input(operation, &typed.ty) {
                read.input = Some(ident.clone());
            }
            read.all.push(word);
        }
        read.input = marked.or(read.input);
        if read.input.is_none() {
            let missing = match operation {
                Operation::Retriever => {
                    "a query; take `query: &str`, or mark the query with `#[input]`"
                }
                Operation::Evaluator => "the answer to evaluate; take `judged: &Judged`",
                _ => return read,
            };
            let name = operation.name();
            errors.at(&function.sig.ident, format!("`#[{name}]` needs {missing}"));
        }
        read
    }
}

/// Removes the attribute of that name. Returns whether there was one.
fn remove(typed: &mut PatType, name: &str) -> bool {
    let before = typed.attrs.len();
    typed.attrs.retain(|attr| !attr.path().is_ident(name));
    typed.attrs.len() < before
}

/// Returns whether a parameter of that type is the input, unless another one is marked.
fn is_input(operation: Operation, ty: &Type) -> bool {
    let ty = match bare(ty) {
        Type::Reference(reference) => bare(&reference.elem),
        other => other,
    };
    match operation {
        Operation::Evaluator => is_named(ty, "Judged"),
        _ => is_named(ty, "str") || is_named(ty, "String") || is_named(ty, "Prompt"),
    }
}

fn facts<'a>(
    operation: Operation,
    arguments: &Arguments,
    function: &Function,
    parameters: &Parameters,
    private: &'a TokenStream,
    errors: &mut Errors,
) -> Facts<'a> {
    let mut facts = Facts::new(private);
    let skipped = |ident: &Ident| arguments.names("skip").iter().any(|name| name == ident);
    match operation {
        Operation::Agent | Operation::Workflow => {
            facts.constant("name", name(arguments, function, errors));
            let given = arguments.text("description").map(Doc::from_literal);
            facts.description(&given.unwrap_or_else(|| Doc::from_attributes(&function.attrs)));
            if let Some(model) = arguments.text("model") {
                facts.constant("model", model);
            }
            facts.argument("conversation", arguments);
        }
        Operation::Plan => {
            if let Some(agent) = arguments.text("agent") {
                valid::name(agent, errors);
                facts.constant("name", agent);
            }
        }
        Operation::Retriever => {
            facts.argument("data_source", arguments);
            match (arguments.expr("top_k"), &parameters.top_k) {
                (Some(_), _) => facts.argument("top_k", arguments),
                (None, Some(parameter)) => facts.value("top_k", parameter),
                (None, None) => {}
            }
        }
        Operation::Evaluator => {
            if let Some(name) = arguments.text("name") {
                valid::name(name, errors);
            }
        }
        Operation::Memory | Operation::HostedAgent => {}
    }
    let records_input = !matches!(operation, Operation::Plan | Operation::Evaluator);
    if let Some(input) = parameters.input.as_ref().filter(|input| records_input && !skipped(input))
    {
        facts.input(&quote!(#input));
    }
    facts.fields(arguments.fields("fields"));
    facts
}

/// Returns the name of the operation: the argument, or the name of the function.
fn name(arguments: &Arguments, function: &Function, errors: &mut Errors) -> TokenStream {
    if let Some(literal) = arguments.text("name") {
        valid::name(literal, errors);
        return quote!(#literal);
    }
    let name = function.sig.ident.unraw().to_string();
    quote!(#name)
}

/// Returns the expression that starts the span.
fn start(
    operation: Operation,
    arguments: &Arguments,
    facts: &Facts<'_>,
    parameters: &Parameters,
    (name, private): (&TokenStream, &TokenStream),
) -> TokenStream {
    let facts = facts.closure();
    match operation {
        Operation::Agent => quote!(#private::agent_span(#facts)),
        Operation::Workflow => quote!(#private::workflow_span(#facts)),
        Operation::Plan => quote!(#private::plan_span(#facts)),
        Operation::Evaluator => {
            let labels = arguments.texts("labels");
            let judged = &parameters.input;
            quote!(#private::evaluation_span(#name, &[#(#labels),*], &#judged))
        }
        _ => quote!(#private::retrieval_span(#facts)),
    }
}

/// Returns the conversion of the return value.
fn outcome(operation: Operation, arguments: &Arguments, function: &Function) -> Outcome {
    let is_skipped = arguments.names("skip").iter().any(|name| name == "output");
    let recorded = match operation {
        _ if is_skipped => Recorded::Nothing,
        Operation::Plan => Recorded::Nothing,
        Operation::Retriever => Recorded::Documents,
        Operation::Evaluator => Recorded::Score,
        _ => Recorded::Value,
    };
    let span = match &function.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => function.sig.ident.span(),
    };
    Outcome { recorded, span: at_call_site(span) }
}
