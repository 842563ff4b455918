//! Explains what a scenario would run. Pure.

mod check;
mod gate;

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::model::{
    Backend, Check, Driver, Http, Image, Load, NodePlacement, NodeRequest, OnErrors, PastSessions, Placement, Scenario,
    ServiceProgram, Stack, Step, Volatile, Warmup,
};
use crate::catalog::kind::Interface;
use check::{ExpectationLine, RequestLine};

/// Describes the resolved stacks, the checks of each, the loads, the number and duration of the rounds, the placement and
/// the gate, given the past of the stacks on this machine. Ends with a newline.
#[must_use]
pub fn explain(scenario: &Scenario, past: PastSessions) -> String {
    Explanation { scenario, past }.to_string()
}

struct Explanation<'s> {
    scenario: &'s Scenario,
    past: PastSessions,
}

impl Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Explanation { scenario, past } = *self;
        writeln!(f, "scenario   {}", scenario.name)?;
        if let Some(title) = &scenario.title {
            writeln!(f, "title      {title}")?;
        }
        writeln!(f, "file       {}", scenario.file.display())?;
        writeln!(f, "sha256     {}", scenario.sha256)?;
        write_app(f, scenario)?;
        writeln!(f, "\nstacks")?;
        for stack in &scenario.stacks {
            write_stack(f, scenario, stack)?;
        }
        writeln!(f, "\nchecks{}", if scenario.checks.is_empty() { "\n  none" } else { "" })?;
        for check in &scenario.checks {
            write_check(f, scenario, check)?;
        }
        writeln!(f, "\nloads{}", if scenario.loads.is_empty() { "\n  none: nothing is measured" } else { "" })?;
        for load in &scenario.loads {
            write_load(f, load)?;
        }
        if !scenario.loads.is_empty() {
            write_rounds(f, scenario)?;
        }
        write_placement(f, scenario)?;
        gate::write_gate(f, scenario, past)?;
        let Volatile { fields, pointers, filters } = &scenario.volatile;
        let filters = filters.iter().map(|filter| format!("matches of {}", filter.matches.0));
        let volatile: Vec<String> = fields.iter().chain(pointers).cloned().chain(filters).collect();
        match volatile.is_empty() {
            true => Ok(()),
            false => writeln!(f, "volatile   {}", volatile.join(", ")),
        }
    }
}

fn write_app(f: &mut fmt::Formatter<'_>, scenario: &Scenario) -> fmt::Result {
    let mut label = "app";
    if let Some(app) = scenario.app.python() {
        let location = match &app.path {
            Some(path) => match path.strip_prefix(&scenario.root).unwrap_or(path) {
                inside if inside.as_os_str().is_empty() => "in the scenario's folder".to_owned(),
                inside => format!("in {}", inside.display()),
            },
            None => "lab's own".to_owned(),
        };
        let packages = [("environment", &app.venv), ("packages of", &app.requirements)];
        let packages = packages.iter().filter_map(|(what, path)| Some((what, path.as_ref()?)));
        let packages = packages
            .map(|(what, path)| format!(", {what} {}", path.strip_prefix(&scenario.root).unwrap_or(path).display()));
        let packages: String = packages.collect();
        writeln!(f, "{label:<11}{}:{} ({}, {location}{packages})", app.module, app.callable, app.interface.name())?;
        label = "";
        for service in &app.services {
            let kind = match (&service.program, service.kind) {
                (ServiceProgram::Image(image), _) => image.name.as_str(),
                (_, kind) => kind.map_or("a command", |kind| kind.name),
            };
            writeln!(f, "{:<11}with the service {} ({kind})", "", service.name)?;
        }
    }
    match scenario.app.native() {
        Some(native) => writeln!(f, "{label:<11}{native} (native)"),
        None => Ok(()),
    }
}

fn write_stack(f: &mut fmt::Formatter<'_>, scenario: &Scenario, stack: &Stack) -> fmt::Result {
    let reference = std::ptr::eq(stack, scenario.reference());
    writeln!(f, "  {}{}", stack.name, if reference { " (reference: ratios are against this stack)" } else { "" })?;
    let unavailable = stack.server.kind.kind().run.as_ref().err().cloned();
    if let Some(reason) = stack.impossible.clone().or(unavailable).or_else(|| stack.refused_by_backend()) {
        return writeln!(f, "    cannot run: {reason}");
    }
    match stack.backend {
        Backend::Process => {}
        Backend::Container => writeln!(f, "    runs     each component in a container")?,
        Backend::Swarm => writeln!(f, "    runs     each component as a service of a swarm")?,
    }
    let relative = |path: &PathBuf| path.strip_prefix(&scenario.root).unwrap_or(path).display().to_string();
    match &stack.proxy {
        Some(proxy) => {
            let config = proxy.config.as_ref().map_or_else(|| "its default configuration".to_owned(), relative);
            writeln!(f, "    proxy    {}, {config}{}", proxy.kind, ImageClause(stack.proxy_image(), &scenario.root))?;
        }
        None => writeln!(f, "    proxy    none")?,
    }
    let server = &stack.server;
    write!(f, "    server   {}", server.kind)?;
    if let Some(workers) = server.workers {
        write!(f, ", {workers}")?;
    }
    if let Some(threads) = server.threads {
        write!(f, " of {}", Count(threads.get().into(), "thread"))?;
    }
    if let Some(config) = &server.config {
        write!(f, ", {}", relative(config))?;
    }
    if scenario.app.python().is_some() && scenario.app.has(Interface::Native) {
        write!(f, ", the {} app", stack.app.name())?;
    }
    if let Some(own) = stack.apps.python().filter(|_| stack.apps != scenario.app) {
        write!(f, ", its own app {}:{}", own.module, own.callable)?;
    }
    writeln!(f, "{}", ImageClause(stack.server_image(), &scenario.root))?;
    if !stack.measured {
        writeln!(f, "    loads    none: it is only checked and compared")?;
    }
    writeln!(f, "    checks   {} of {}", scenario.checks_for(stack).count(), scenario.checks.len())
}

/// A component's image, relative to the scenario's root.
struct ImageClause<'a>(Option<&'a Image>, &'a Path);

impl fmt::Display for ImageClause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(Image::Named(name)) => write!(f, ", from the image {name}"),
            Some(Image::Built(folder)) => {
                write!(f, ", from the image built in {}", folder.strip_prefix(self.1).unwrap_or(folder).display())
            }
        }
    }
}

fn write_check(f: &mut fmt::Formatter<'_>, scenario: &Scenario, check: &Check) -> fmt::Result {
    writeln!(f, "  {}", check.name)?;
    writeln!(f, "    sends    {}", RequestLine(&check.request))?;
    writeln!(f, "    expects  {}", ExpectationLine(&check.expect))?;
    if !check.extract.is_empty() {
        let names: Vec<_> = check.extract.iter().map(|extraction| extraction.name.as_str()).collect();
        writeln!(f, "    takes    {}", names.join(", "))?;
    }
    let checked: Vec<_> =
        scenario.stacks.iter().filter(|stack| check.applies_to(stack)).map(|stack| stack.name.as_str()).collect();
    writeln!(f, "    of       {}", checked.join(", "))
}

fn write_load(f: &mut fmt::Formatter<'_>, load: &Load) -> fmt::Result {
    writeln!(f, "  {}", load.name)?;
    writeln!(f, "    driver   {}", load.driver)?;
    let version = match load.http {
        Http::OneZero => Some("HTTP/1.0".to_owned()),
        Http::OneOne => None,
        Http::Two { streams } if streams.get() == 1 => Some("HTTP/2".to_owned()),
        Http::Two { streams } => Some(format!("HTTP/2 with {streams} streams on each connection")),
    };
    let protocols: Vec<String> = version.into_iter().chain(load.tls.as_ref().map(ToString::to_string)).collect();
    if !protocols.is_empty() {
        writeln!(f, "    speaks   {}", protocols.join(" over "))?;
    }
    match &load.driver {
        Driver::Goose { steps, .. } if !steps.is_empty() => {
            writeln!(f, "    asks     {}, timeout {}", Count(steps.len() as u64, "step"), Time(load.timeout))?;
            for step in steps {
                write_step(f, step)?;
            }
        }
        _ => writeln!(f, "    asks     GET {}, timeout {}", load.path, Time(load.timeout))?,
    }
    if load.errors == OnErrors::Count {
        writeln!(f, "    errors   counted, no failure of the run")?;
    }
    if let Some(stacks) = &load.stacks {
        writeln!(f, "    drives   {}", stacks.join(", "))?;
    }
    if let Some(most) = load.blocks {
        writeln!(f, "    rounds   {} at most", Count(most.get().into(), "block"))?;
    }
    if let Some(other) = &load.validates {
        writeln!(f, "    beside   {other}, which it cross-validates: neither ranked nor gated")?;
    }
    writeln!(f, "    window   {}", Time(load.duration))
}

fn write_step(f: &mut fmt::Formatter<'_>, step: &Step) -> fmt::Result {
    write!(f, "             {}: {} {}", step.name, step.method, step.target)?;
    if step.times.get() > 1 {
        write!(f, ", {} times", step.times)?;
    }
    if !step.think.is_zero() {
        write!(f, ", then a pause of {}", Time(step.think))?;
    }
    let expect = &step.expect;
    let mut compared: Vec<String> = Vec::new();
    compared.extend(expect.status.map(|status| format!("status {status}")));
    compared.extend(expect.headers.iter().map(|(name, _)| name.clone()));
    compared.extend(expect.body.is_some().then(|| "body".to_owned()));
    if !compared.is_empty() {
        write!(f, "; expects {}", compared.join(", "))?;
    }
    if !step.extract.is_empty() {
        let names: Vec<_> = step.extract.iter().map(|extraction| extraction.name.as_str()).collect();
        write!(f, "; takes {}", names.join(", "))?;
    }
    writeln!(f)
}

fn write_rounds(f: &mut fmt::Formatter<'_>, scenario: &Scenario) -> fmt::Result {
    let rounds = &scenario.rounds;
    let blocks = rounds.max_blocks();
    let measured = scenario.stacks.iter().filter(|stack| stack.measured).count();
    let visits = |load: &Load| {
        let driven = scenario.stacks.iter().filter(|stack| stack.measured && load.drives(&stack.name)).count();
        u64::from(load.blocks_of(blocks.get())).saturating_mul(driven as u64)
    };
    let total: u64 = scenario.loads.iter().map(visits).sum();
    let lasts = |load: &Load| (load.duration + rounds.warmup.max()).as_secs().saturating_mul(visits(load));
    let seconds: u64 = scenario.loads.iter().map(lasts).sum();
    let is_open = rounds.looks.len() > 1 || matches!(rounds.warmup, Warmup::Auto { .. });
    let is_limited = scenario.loads.iter().any(|load| load.stacks.is_some() || load.blocks.is_some());
    let fewer = if is_limited { ", less what loads leave out" } else { "" };
    let at_most = if rounds.looks.len() > 1 { "at most " } else { "" };
    writeln!(
        f,
        "\nrounds     {at_most}{}: {} x {} x {}{fewer}, in an order seeded with {}",
        total,
        Count(blocks.get().into(), "block"),
        Count(measured as u64, "stack"),
        Count(scenario.loads.len() as u64, "load"),
        rounds.seed,
    )?;
    if rounds.looks.len() > 1 {
        let looks: Vec<String> = rounds.looks.iter().map(ToString::to_string).collect();
        writeln!(f, "           ends when a look after {} blocks leaves nothing undecided", looks.join(", "))?;
    }
    match rounds.warmup {
        Warmup::Fixed(duration) => {
            writeln!(f, "           each freshly started and warmed up for {}", Time(duration))?;
        }
        Warmup::Auto { max } => {
            writeln!(f, "           each freshly started and warmed up until steady, {} at the most", Time(max))?;
        }
    }
    writeln!(
        f,
        "           {}about {} under load, plus starts and checks",
        if is_open { "at most " } else { "" },
        Time(Duration::from_secs(seconds))
    )
}

/// A number with its noun in the singular or plural.
struct Count(u64, &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.0, self.1, if self.0 == 1 { "" } else { "s" })
    }
}

/// A duration in readable units; long ones are rounded down.
struct Time(Duration);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, 0) if !self.0.is_zero() => write!(f, "{}ms", self.0.as_millis()),
            (0, 0, _) => write!(f, "{}s", self.0.as_secs_f64()),
            (0, minutes, 0) => write!(f, "{minutes}m"),
            (0, minutes, seconds) => write!(f, "{minutes}m {seconds}s"),
            (hours, minutes, _) => write!(f, "{hours}h {minutes}m"),
        }
    }
}

fn write_placement(f: &mut fmt::Formatter<'_>, scenario: &Scenario) -> fmt::Result {
    let mut label = "\nplacement";
    if scenario.stacks.iter().any(|stack| stack.backend != Backend::Swarm) {
        match &scenario.placement {
            Placement::Auto | Placement::Nodes(_) => {
                writeln!(f, "{label}  automatic: load drivers and stacks on disjoint cores where there are two")?;
            }
            Placement::Pinned { load, stack } => {
                writeln!(f, "{label}  load drivers on {}, stacks on {}", core_list(load), core_list(stack))?;
            }
        }
        label = "         ";
    }
    if scenario.stacks.iter().any(|stack| stack.backend == Backend::Swarm) {
        let NodePlacement { proxy, server, load, spread, registry } = scenario.placement.in_swarm();
        let drivers = Count(spread.get().into(), "driver");
        let each = if spread.get() == 1 { "" } else { ", each on one of its own" };
        writeln!(f, "{label}  in the swarm: server on {}", RequestedNode(&server))?;
        writeln!(f, "           proxy on {}", RequestedNode(&proxy))?;
        writeln!(f, "           {drivers} on {}{each}", RequestedNode(&load))?;
        if let Some(registry) = registry {
            writeln!(f, "           images by way of {registry}")?;
        }
    }
    Ok(())
}

struct RequestedNode<'a>(&'a NodeRequest);

impl Display for RequestedNode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NodeRequest { selector, cores } = self.0;
        match cores.is_empty() {
            true => write!(f, "{selector}"),
            false => write!(f, "{selector}, {}", core_list(cores)),
        }
    }
}

fn core_list(cores: &[u16]) -> String {
    let numbers: Vec<_> = cores.iter().map(u16::to_string).collect();
    format!("core{} {}", if cores.len() == 1 { "" } else { "s" }, numbers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_readable_units() {
        for (ms, text) in [
            (0, "0s"),
            (500, "500ms"),
            (2_500, "2.5s"),
            (10_000, "10s"),
            (60_000, "1m"),
            (132_000, "2m 12s"),
            (3_660_000, "1h 1m"),
        ] {
            assert_eq!(Time(Duration::from_millis(ms)).to_string(), text);
        }
    }
}
