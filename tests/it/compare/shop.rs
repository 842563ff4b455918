//! A Flask application behind gunicorn, as a project in git.

use super::repository::commit;
use crate::support::Project;

/// What stands in the view; a test replaces it.
pub(crate) const WORK: &str = "work(20_000)";

/// A database in the application's memory, and a query that reads all of its table: about a millisecond.
pub(crate) const DATABASE: &str = r#"
import sqlite3

database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE orders (item INTEGER, price INTEGER)")
database.executemany("INSERT INTO orders VALUES (?, ?)", ((n % 100, n) for n in range(20_000)))


def revenue(item):
    return database.execute("SELECT sum(price) FROM orders WHERE item = ?", (item,)).fetchone()[0]


"#;

/// Each view takes a few milliseconds, so that gunicorn's own part is small.
const APP: &str = r#"
import time
import uuid

import flask

app = flask.Flask(__name__)


def work(steps):
    for _ in range(steps):
        pass


@app.get("/")
def front_page():
    work(20_000)
    response = flask.jsonify(open="always")
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["X-Draw"] = uuid.uuid4().hex
    response.set_cookie("visited", "yes", max_age=3600)
    return response
"#;

const SCENARIO: &str = r#"
schema = 1
name   = "shop"

[app]
wsgi = "shop:app"
path = "site"
requirements = "requirements.txt"

[[stack]]
name   = "production"
server = { kind = "gunicorn", config = "deploy/gunicorn.conf.py" }

[[check]]
name    = "the front page is served"
request = { path = "/" }
expect.status = 200

[[check]]
name    = "the style sheet is served"
request = { path = "/static/style.css" }
expect.status = 200
"#;

/// The project at its first commit. `more` is appended to the scenario.
pub(crate) fn shop(more: &str) -> Project {
    let project = Project::new(str::to_owned)
        .with_file("site/shop.py", APP)
        .with_file("site/static/style.css", "body { color: black }\n")
        .with_file("requirements.txt", "flask==3.1.3\n")
        .with_file("deploy/gunicorn.conf.py", "workers = 1\n")
        .with_scenario("shop", &format!("{SCENARIO}{more}"))
        .with_shared_cache();
    commit(&project);
    project
}

/// Replaces a part of a file in the working tree.
#[track_caller]
pub(crate) fn edit(project: &Project, file: &str, old: &str, new: &str) {
    let text = std::fs::read_to_string(project.path(file)).unwrap();
    assert!(text.contains(old), "{file} has no {old:?}");
    project.write(file, &text.replace(old, new));
}
