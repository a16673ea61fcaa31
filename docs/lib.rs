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
#[doc = include_str!("guide/src/getting-started.md")]
struct GuideGettingStarted;
#[doc = include_str!("guide/src/tools.md")]
struct GuideTools;
#[doc = include_str!("guide/src/providers.md")]
struct GuideProviders;
#[doc = include_str!("guide/src/streaming.md")]
struct GuideStreaming;
#[doc = include_str!("guide/src/structured-output.md")]
struct GuideStructuredOutput;
#[doc = include_str!("guide/src/sessions.md")]
struct GuideSessions;
#[doc = include_str!("guide/src/agents.md")]
struct GuideAgents;
#[doc = include_str!("guide/src/retrieval.md")]
struct GuideRetrieval;
#[doc = include_str!("guide/src/mcp.md")]
struct GuideMcp;
#[doc = include_str!("guide/src/testing.md")]
struct GuideTesting;
#[doc = include_str!("guide/src/errors.md")]
struct GuideErrors;
#[doc = include_str!("guide/src/telemetry.md")]
struct GuideTelemetry;
#[doc = include_str!("guide/src/production.md")]
struct GuideProduction;
#[doc = include_str!("guide/src/coming-from-rig.md")]
struct GuideComingFromRig;
#[doc = include_str!("guide/src/coming-from-clients.md")]
struct GuideComingFromClients;
#[doc = include_str!("guide/src/coming-from-python.md")]
struct GuideComingFromPython;
#[doc = include_str!("guide/src/cookbook.md")]
struct GuideCookbook;
