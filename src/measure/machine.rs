//! The machine of a run, from `/proc` and `/sys`.

use std::fs;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The properties of a machine by which a reader can judge whether two records are comparable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's name and release.
    pub kernel: String,
    /// The processor's model name.
    pub cpu: String,
    /// Cores that this process may run on.
    pub cores: usize,
    pub memory_bytes: u64,
    /// The frequency governor of the first core, where the kernel has one.
    pub governor: Option<String>,
    /// The nodes and cores of each stack in a swarm, whose network is an overlay; empty if everything runs on this machine.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
}

impl Machine {
    /// Reads the properties of the machine that lab runs on.
    #[must_use]
    pub fn read() -> Machine {
        let uname = rustix::system::uname();
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
        Machine {
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            cpu: model_name(&read("/proc/cpuinfo")).unwrap_or_else(|| uname.machine().to_string_lossy().into_owned()),
            cores: super::procfs::cores_allowed().map_or(1, |cores| cores.len()),
            memory_bytes: memory_bytes(&read("/proc/meminfo")),
            governor: Some(governor.trim().to_owned()).filter(|name| !name.is_empty()),
            nodes: Vec::new(),
        }
    }

    /// The machine in one line, for a reader.
    #[must_use]
    pub fn summary(&self) -> String {
        let nodes = match self.nodes.is_empty() {
            true => String::new(),
            false => format!(", and a swarm: {}", self.nodes.join("; ")),
        };
        format!("{}, {} cores, {}{nodes}", self.cpu, self.cores, self.kernel)
    }

    /// A short name shared by machines that should measure alike: a digest of everything except the installed memory,
    /// which a kernel counts a little differently after each boot.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let Machine { kernel, cpu, cores, memory_bytes: _, governor, nodes } = self;
        let mut text = format!("{kernel}\n{cpu}\n{cores}\n{}", governor.as_deref().unwrap_or_default());
        text.extend(nodes.iter().map(|node| format!("\n{node}")));
        let digest = Sha256::digest(text);
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The first `model name` of `/proc/cpuinfo`; some architectures have none.
fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// `MemTotal` of `/proc/meminfo`, which is in KiB; 0 if it is missing.
fn memory_bytes(meminfo: &str) -> u64 {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|digits| digits.parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_ignores_memory() {
        let machine = |cores, memory_bytes| Machine {
            kernel: "Linux 6.1".to_owned(),
            cpu: "Some CPU".to_owned(),
            cores,
            memory_bytes,
            governor: None,
            nodes: Vec::new(),
        };
        assert_eq!(machine(2, 1).fingerprint(), machine(2, 2).fingerprint());
        assert_ne!(machine(2, 1).fingerprint(), machine(4, 1).fingerprint());
        let in_swarm = Machine { nodes: vec!["direct: server on node-1, cores 0, 1".to_owned()], ..machine(2, 1) };
        assert_ne!(machine(2, 1).fingerprint(), in_swarm.fingerprint());
        assert_eq!(machine(2, 1).fingerprint().len(), 12);
    }

    #[test]
    fn model_and_memory_are_read_from_their_lines() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: X\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: other\n";
        assert_eq!(model_name(cpuinfo).as_deref(), Some("Some CPU @ 2 GHz"));
        assert_eq!(model_name("processor : 0\n"), None);
        assert_eq!(memory_bytes("MemTotal:       24000 kB\nMemFree: 1 kB\n"), 24_576_000);
        assert_eq!(memory_bytes(""), 0);
    }
}
