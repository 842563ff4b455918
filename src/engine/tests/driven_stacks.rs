//! Loads that drive some of the stacks.

use super::*;

#[test]
fn load_judges_only_the_stacks_it_drives() {
    let (mut scenario, mut fake) = comparison(&[20], &MARGINS, |_| {});
    scenario.stacks.push(stack("checked"));
    fake.stacks.insert("checked".to_owned(), Behaviour::default());
    scenario.loads[0].stacks = Some(vec!["direct".to_owned(), "proxied".to_owned()]);
    let (_, judged) = decided(&scenario, &mut fake);
    let stacks: Vec<&str> = judged.iter().map(|metric| metric.stack.as_str()).collect();
    assert_eq!(stacks, ["proxied"; 3]);
}
