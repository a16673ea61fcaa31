//! Compiles the examples of the README, the guides and the macro pages, and runs those that need no
//! network: `cargo test -p chatlas-docs --doc`.

#![cfg(doctest)]

#[doc = include_str!("../README.md")]
struct Readme;
#[doc = include_str!("monitor.md")]
struct Monitor;
#[doc = include_str!("questions.md")]
struct Questions;
#[doc = include_str!("backends.md")]
struct Backends;
#[doc = include_str!("environment.md")]
struct Environment;
#[doc = include_str!("../chatlas-macros/docs/tool.md")]
struct ToolMacro;
#[doc = include_str!("../chatlas-macros/docs/toolbox.md")]
struct ToolboxMacro;
#[doc = include_str!("../chatlas-macros/docs/tools.md")]
struct ToolsMacro;
#[doc = include_str!("../chatlas-macros/docs/provider.md")]
struct ProviderMacro;
#[doc = include_str!("../chatlas-macros/docs/agent.md")]
struct AgentMacro;
#[doc = include_str!("../chatlas-macros/docs/workflow.md")]
struct WorkflowMacro;
#[doc = include_str!("../chatlas-macros/docs/plan.md")]
struct PlanMacro;
#[doc = include_str!("../chatlas-macros/docs/retriever.md")]
struct RetrieverMacro;
#[doc = include_str!("../chatlas-macros/docs/memory.md")]
struct MemoryMacro;
#[doc = include_str!("../chatlas-macros/docs/evaluator.md")]
struct EvaluatorMacro;
#[doc = include_str!("../chatlas-macros/docs/hosted_agent.md")]
struct HostedAgentMacro;
