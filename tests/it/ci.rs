//! What lab tells CI systems and bots: job summaries, annotations, comments, events, workflows.

mod events;
mod github;
mod history;
mod init;
mod past;
mod review;
