//! Operations other than model and tool calls: agents, workflows, plans, retrieval, memory,
//! evaluation, hosted agents, and chats as tools. Each by its attribute, and recorded by
//! `chatlas::testing`.

mod agents;
mod chat_as_tool;
mod content;
mod counting;
mod embeddings;
mod evaluation;
mod events;
mod hosted;
mod memory;
mod retrieval;
mod shapes;
