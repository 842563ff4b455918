use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
}

fn node(name: &str, cores: u16, pairs: &[(&str, &str)]) -> Node {
    Node { id: format!("id-{name}"), name: name.to_owned(), labels: labels(pairs), cores, unavailable: None }
}

fn labelled(pairs: &[(&str, &str)]) -> NodeRequest {
    NodeRequest { selector: NodeSelector::Labelled(labels(pairs)), cores: Vec::new() }
}

fn named(name: &str) -> NodeRequest {
    NodeRequest { selector: NodeSelector::Named(name.to_owned()), cores: Vec::new() }
}

/// A stack, whether it has a proxy, and what it asks for.
#[derive(Clone)]
struct Request {
    has_proxy: bool,
    placement: NodePlacement,
}

fn anywhere(spread: u32) -> Request {
    let spread = NonZeroU32::new(spread).unwrap();
    Request { has_proxy: true, placement: NodePlacement { spread, ..NodePlacement::default() } }
}

fn without_proxy(spread: u32) -> Request {
    Request { has_proxy: false, ..anywhere(spread) }
}

/// `role on node cores` for each.
fn shown(request: &Request, nodes: &[Node]) -> Result<Vec<String>, String> {
    let Assignment { proxy, server, load } =
        assign(&request.placement, request.has_proxy, nodes).map_err(|error| error.to_string())?;
    let show = |role: &str, Place { node, cores }: &Place| format!("{role} on {} {cores:?}", nodes[*node].name);
    let mut rows: Vec<String> = proxy.iter().map(|place| show("proxy", place)).collect();
    rows.push(show("server", &server));
    rows.extend(load.iter().map(|place| show("load", place)));
    Ok(rows)
}

#[test]
fn every_role_gets_a_node_of_its_own() {
    let nodes = [node("c", 2, &[]), node("a", 2, &[]), node("b", 2, &[]), node("d", 2, &[])];
    let rows = ["proxy on d [0, 1]", "server on c [0, 1]", "load on a [0, 1]", "load on b [0, 1]"];
    assert_eq!(shown(&anywhere(2), &nodes).unwrap(), rows);
    let mut reversed = nodes.to_vec();
    reversed.reverse();
    assert_eq!(shown(&anywhere(2), &reversed).unwrap(), rows, "the order of the nodes does not matter");
}

#[test]
fn driver_makes_way_for_a_pickier_role() {
    // The driver may have either node, and the server only the one that the driver would have got.
    let nodes = [node("a", 2, &[("role", "server")]), node("b", 2, &[])];
    let mut request = without_proxy(1);
    request.placement.server = labelled(&[("role", "server")]);
    assert_eq!(shown(&request, &nodes).unwrap(), ["server on a [0, 1]", "load on b [0, 1]"]);
}

#[test]
fn one_node_is_divided_like_one_machine() {
    let rows = ["proxy on a [0, 1, 2]", "server on a [0, 1, 2]", "load on a [3, 4]"];
    assert_eq!(shown(&anywhere(1), &[node("a", 5, &[])]).unwrap(), rows);
    let single = ["proxy on a []", "server on a []", "load on a []"];
    assert_eq!(shown(&anywhere(1), &[node("a", 1, &[])]).unwrap(), single, "a single core is shared");
}

#[test]
fn stack_shares_a_node_before_it_joins_a_driver() {
    let nodes = [node("a", 2, &[]), node("b", 2, &[])];
    let rows = ["proxy on b [0, 1]", "server on b [0, 1]", "load on a [0, 1]"];
    assert_eq!(shown(&anywhere(1), &nodes).unwrap(), rows);
}

#[test]
fn named_cores_are_kept_and_the_rest_is_divided() {
    let mut request = without_proxy(1);
    request.placement.load.cores = vec![3];
    assert_eq!(shown(&request, &[node("a", 4, &[])]).unwrap(), ["server on a [0, 1, 2]", "load on a [3]"]);
    request.placement.server.cores = vec![1, 2];
    assert_eq!(shown(&request, &[node("a", 4, &[])]).unwrap(), ["server on a [1, 2]", "load on a [3]"]);
}

#[test]
fn impossible_placements_are_refused_with_the_nodes() {
    let mut nodes = vec![node("a", 2, &[("role", "load")]), node("b", 4, &[("role", "server"), ("disk", "ssd")])];
    let refused = |request: &Request, nodes: &[Node]| shown(request, nodes).unwrap_err();
    let mut request = without_proxy(1);
    request.placement.server = labelled(&[("role", "sever")]);
    insta::assert_snapshot!(refused(&request, &nodes), @"no node matches `server`, a node with role=sever; the nodes are a (role=load), b (disk=ssd role=server)");
    request.placement.server = named("c");
    insta::assert_snapshot!(refused(&request, &nodes), @"no node matches `server`, the node c; the nodes are a (role=load), b (disk=ssd role=server)");
    let mut spread = anywhere(3);
    spread.placement.load = labelled(&[("role", "load")]);
    insta::assert_snapshot!(refused(&spread, &nodes), @"`load` needs a node for each of 3 drivers, but only 1 matches: a node with role=load; the nodes are a (role=load), b (disk=ssd role=server)");
    request.placement.server = NodeRequest { cores: vec![4], ..named("b") };
    insta::assert_snapshot!(refused(&request, &nodes), @"`server` names core 4, but node b has the cores 0 to 3");
    request.placement.server = NodeRequest { cores: vec![1], ..named("b") };
    request.placement.load = NodeRequest { cores: vec![0, 1], ..named("b") };
    insta::assert_snapshot!(refused(&request, &nodes), @"`load` and `server` both name core 1 of node b; drivers and stacks would measure each other");
    request.placement.load = NodeRequest { cores: vec![0, 1, 2, 3], ..named("b") };
    request.placement.server = named("b");
    insta::assert_snapshot!(refused(&request, &nodes), @"`server` names no cores, and the others have named all cores of node b");
    nodes[1].unavailable = Some("drained".to_owned());
    insta::assert_snapshot!(refused(&request, &nodes), @"no node matches `load`, the node b; the nodes are a (role=load), b (disk=ssd role=server; drained)");
    assert_eq!(refused(&request, &[]), "no node matches `load`, the node b; the swarm has no nodes");
}
