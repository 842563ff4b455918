//! The parts of an app that a request refers to: its URL map and its templates.

use crate::routing::RuleMap;
use crate::template_environment::TemplateEnvironment;

pub(crate) struct AppContext {
    /// Only for messages.
    pub(crate) name: String,
    pub(crate) rules: RuleMap,
    pub(crate) templates: TemplateEnvironment,
}

impl std::fmt::Debug for AppContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("name", &self.name).field("rules", &self.rules).finish_non_exhaustive()
    }
}
