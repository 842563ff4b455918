//! Pages on screens of several widths and on paper, and how large and quick they are.

use std::time::Duration;

use serde_json::Value;

use super::folder;
use super::page_records::{full_record, large_record, page};
use crate::support::{Browser, requires, wait_until};

#[test]
fn page_fits_phones_and_desks() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    browser.open(&page(&folder, &full_record()));
    for width in [390, 1400] {
        browser.resize(width);
        let drawn = "return Math.max(...[...document.querySelectorAll('.plot svg')].map(one => one.getBoundingClientRect().right))";
        wait_until("the charts fit", || browser.run(drawn).as_f64() <= Some(f64::from(width)));
        assert_fits(&browser, width);
    }
}

#[track_caller]
pub(super) fn assert_fits(browser: &Browser, width: u32) {
    let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth");
    assert!(overflow.as_i64() <= Some(0), "{width} pixels are exceeded by {overflow}");
}

#[test]
fn large_page_is_small_and_quick() {
    requires!(Browser);
    let folder = folder();
    let page = page(&folder, &large_record());
    let text = std::fs::read_to_string(&page).unwrap();
    assert!(text.len() < 1_000_000, "{} bytes", text.len());
    assert!(text.contains("Thinned to 60 points each; the record has them all."), "what is left out is said");
    let browser = Browser::start();
    let time = browser.open_timed(&page);
    assert!(time < Duration::from_secs(1), "{time:?} until it is rendered");
    let charts = "return [...document.querySelectorAll('[data-chart]')].filter(one => one.querySelector('svg')).length";
    assert!(browser.run(charts).as_u64() >= Some(12), "every chart is drawn by then");
    browser.resize(390);
    assert_fits(&browser, 390);
}

#[test]
fn printed_page_fits_on_paper() {
    requires!(Browser);
    let folder = folder();
    let browser = Browser::start();
    // A4 within its margins.
    const PAPER: u32 = 703;
    for record in [full_record(), large_record()] {
        browser.open(&page(&folder, &record));
        browser.set_paper(Some(PAPER));
        assert_fits(&browser, PAPER);
        let is_shown = |selector: &str| {
            let shown =
                format!("return [...document.querySelectorAll('{selector}')].some(one => one.checkVisibility())");
            browser.run(&shown).as_bool() == Some(true)
        };
        for only_on_screens in ["nav", "#switches", ".tools button", ".command button", "details:not([open]) summary"] {
            assert!(!is_shown(only_on_screens), "{only_on_screens} is printed");
        }
        for printed in [".answer", ".path", ".matrix td", "[data-chart] svg", "#provenance"] {
            assert!(is_shown(printed), "{printed} is not printed");
        }
        browser.set_paper(None);
    }
    // Charts are drawn for paper, not shrunk to it, and for the screen afterwards.
    let widths =
        "[...document.querySelectorAll('[data-chart] svg[role]')].map(one => Number(one.getAttribute('width')))";
    browser.run(&format!("window.addEventListener('beforeprint', () => {{ window.widths = {widths}; }})"));
    assert!(browser.print() > 1);
    let widest = |widths: Value| widths.as_array().unwrap().iter().filter_map(Value::as_u64).max();
    assert!(widest(browser.run("return window.widths")) <= Some(PAPER.into()));
    assert!(widest(browser.run(&format!("return {widths}"))) > Some(PAPER.into()));
    assert_eq!(browser.console(), Vec::<String>::new());
}
