//! The routes of a Python application as its source declares them: for pointing at a view, never for a decision. Pure.
//!
//! Decorators of Flask and FastAPI, and `path()` of Django's URL lists, are recognised by their text. A prefix that a
//! blueprint, a router or an `include()` adds is not.

use std::sync::LazyLock;

use regex::Regex;

/// A route and its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    segments: Vec<Segment>,
    /// Of the view, counted from 1.
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    /// `<int:id>` or `{id}`.
    Any,
    /// `<path:rest>` or `{rest:path}`.
    Rest,
}

/// A decorator such as `@app.get("/")`, or an entry such as `path("", view)`.
static DECLARATION: LazyLock<Regex> = LazyLock::new(|| {
    let decorator = r#"^[ \t]*@[\w.]+\.(?:route|api_route|get|post|put|patch|delete|head|options)\("#;
    let entry = r#"^[ \t]*(?:[\w.]+ *= *\[)?(?:path|re_path)\("#;
    let path = r#"\s*(?:(?:rule|path)\s*=\s*)?["']([^"'\n]*)["']"#;
    Regex::new(&format!("(?m)(?:{decorator}|{entry}){path}")).unwrap() // OK because it is constant and tested
});

/// The `def` that follows the decorators.
static VIEW: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^[ \t]*(?:async[ \t]+)?def[ \t]").unwrap() // OK because it is constant and tested
});

/// The routes that a Python file declares, in its order.
#[must_use]
pub fn routes(source: &str) -> Vec<Route> {
    let line = |offset: usize| 1 + source[..offset].matches('\n').count();
    let declarations = DECLARATION.captures_iter(source).filter_map(|found| {
        let (whole, path) = (found.get(0)?, found.get(1)?.as_str());
        let is_decorator = whole.as_str().trim_start().starts_with('@');
        let view = VIEW.find_at(source, whole.end()).filter(|_| is_decorator);
        Some(Route::new(path, line(view.map_or(whole.start(), |view| view.start()))))
    });
    declarations.collect()
}

impl Route {
    /// The route of a path with placeholders; Django's have no slash at the start.
    #[must_use]
    pub fn new(path: &str, line: usize) -> Route {
        let segments = path.strip_prefix('/').unwrap_or(path).split('/').map(|segment| match segment {
            rest if rest.starts_with("<path:") || rest.ends_with(":path}") => Segment::Rest,
            any if any.contains('<') || any.contains('{') => Segment::Any,
            literal => Segment::Literal(literal.to_owned()),
        });
        Route { segments: segments.collect(), line }
    }

    /// Whether it serves the target of a request.
    #[must_use]
    pub fn matches(&self, target: &str) -> bool {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let Some(path) = path.strip_prefix('/') else { return false };
        let mut parts = path.split('/');
        for segment in &self.segments {
            let part = parts.next();
            match (segment, part) {
                (Segment::Rest, Some(_)) => return true,
                (Segment::Any, Some(part)) if !part.is_empty() => {}
                (Segment::Literal(literal), Some(part)) if literal == part => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// How general it is: among routes that match, the one with the fewest placeholders is meant.
    #[must_use]
    pub fn wildcards(&self) -> usize {
        let weight = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::Any => 1,
            Segment::Rest => 100,
        };
        self.segments.iter().map(weight).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_three_frameworks_are_found() {
        let source = "\
@app.route('/')
@login_required
def front_page():
    return cache.get('/not-a-route')

@bp.get(
    \"/item/<int:id>\", endpoint='item')
async def item(id):
    pass

urlpatterns = [
    path(\"about/\", views.about),
]
";
        let found = routes(source);
        let lines: Vec<usize> = found.iter().map(|route| route.line).collect();
        assert_eq!(lines, [3, 8, 12]);
        let serves = |index: usize, target| found[index].matches(target);
        assert!(serves(0, "/") && serves(0, "/?q=1") && !serves(0, "/item/1"));
        assert!(serves(1, "/item/7") && !serves(1, "/item/") && !serves(1, "/item/7/more"));
        assert!(serves(2, "/about/") && !serves(2, "/about"));
        assert!(!serves(2, "*"), "the target of OPTIONS");
    }

    #[test]
    fn rest_of_a_path_is_one_placeholder() {
        for path in ["/files/<path:name>", "/files/{name:path}"] {
            let route = Route::new(path, 1);
            assert!(route.matches("/files/a/b") && !route.matches("/other/a"), "{path}");
        }
    }
}
