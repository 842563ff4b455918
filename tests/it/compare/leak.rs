//! Memory that is never freed, seen on a Flask application.

use lab::exit::Exit;

use super::shop::{WORK, edit, shop};
use crate::support::requires;

/// A limit of five kilobytes per request, and a leak of six times as much: a busy machine makes few requests, so that what any
/// process takes at its start counts for more.
const LOAD: &str = "[[load]]\nname = \"browse\"\ndriver = \"closed\"\nconnections = 1\nduration = \"2s\"\n\n\
                    [rounds]\ncount = 7\nwarmup = \"1s\"\n\n[gate]\nlimits = { memory_growth = \"500MiB per 100k\" }\n\n\
                    [snapshot]\nvolatile = [\"X-Draw\"]\n";

#[test]
fn leak_fails_and_its_absence_passes() {
    requires!(Git, Python);
    let project = shop(LOAD);
    let green = project.expect(Exit::Ok, &["run", "scenarios/shop.toml", "--gate", "--accept-new"]);
    assert!(!green.contains("memory_growth under browse of production, at most 500 MiB per 100k: FAIL"), "{green}");
    assert!(green.contains("memory_growth under browse of production, at most 500 MiB per 100k: pass ("), "{green}");

    edit(&project, "site/shop.py", "app = flask.Flask(__name__)\n", "app = flask.Flask(__name__)\nkept = []\n");
    edit(&project, "site/shop.py", WORK, &format!("{WORK}\n    kept.append(b\"x\" * 30_000)"));
    let red = project.expect(Exit::Failed, &["compare", "HEAD", "scenarios/shop.toml", "--gate"]);
    assert!(red.contains("beyond the limit: memory growth of `production` "), "{red}");
    let row = red.lines().find(|line| line.contains("memory growth") && line.contains("FAIL, limit 500 MiB per 100k"));
    assert!(row.is_some_and(|row| row.contains('+')), "{red}");
}
