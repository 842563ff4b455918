//! `geo`: a variable whose value depends on the client's address.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::config::network::Network;
use crate::config::reader::ConfigReader;
use crate::variables::Template;
use lab_nginx_conf::{ConfError, ConfErrorKind, Directive};

#[derive(Debug)]
pub struct Geo {
    /// The address; none for the client's own.
    pub(crate) source: Option<Template>,
    ranges: AddressRanges,
    values: Vec<String>,
    default: Option<usize>,
    /// `proxy`: the peers whose `X-Forwarded-For` names the address.
    pub(crate) proxies: Vec<Network>,
    /// `proxy_recursive`
    pub(crate) is_recursive: bool,
}

/// Ranges of addresses, each with a value.
#[derive(Debug)]
enum AddressRanges {
    /// By the length of the prefix, the longest first. IPv4 and IPv6 apart.
    Prefixes(Vec<(bool, u32, HashMap<u128, usize>)>),
    /// `ranges`: first and last address, by size, the smallest first. IPv4 only.
    Spans(Vec<(u128, u128, usize)>),
}

const NETWORK: &str =
    "an address, a range such as 10.0.0.0/8 or fd00::/8, default, delete, proxy, proxy_recursive, ranges";
const SPAN: &str = "two IPv4 addresses such as 10.0.0.0-10.0.0.9, default, delete, proxy";

impl Geo {
    /// Reads a block. Returns it with the slot of its variable.
    pub(crate) fn read(directive: &Directive, reader: &mut ConfigReader<'_>) -> Result<(usize, Geo), ConfError> {
        let (source, name) = match directive.arg(1) {
            Some(name) => (Some(reader.template(directive, directive.first())?), name),
            None => (None, directive.first()),
        };
        let has_ranges = directive.children().iter().any(|entry| entry.name == "ranges" && entry.args.is_empty());
        let mut geo = Geo {
            source,
            ranges: if has_ranges { AddressRanges::Spans(Vec::new()) } else { AddressRanges::Prefixes(Vec::new()) },
            values: Vec::new(),
            default: None,
            proxies: Vec::new(),
            is_recursive: false,
        };
        for entry in directive.children() {
            geo.read_entry(entry)?;
        }
        match &mut geo.ranges {
            AddressRanges::Prefixes(list) => list.sort_by_key(|(_, bits, _)| std::cmp::Reverse(*bits)),
            AddressRanges::Spans(list) => list.sort_by_key(|(first, last, _)| last - first),
        }
        let name = name.trim_start_matches('$');
        // OK because the variables were collected from the same directives
        let slot = reader.variables.slot(name).expect("the variable of a geo is defined");
        Ok((slot, geo))
    }

    fn read_entry(&mut self, entry: &Directive) -> Result<(), ConfError> {
        let value = entry.first();
        match entry.name.as_str() {
            "ranges" if entry.args.is_empty() => {}
            "proxy_recursive" if entry.args.is_empty() => self.is_recursive = true,
            "default" => {
                let index = self.add_value(value);
                if self.default.replace(index).is_some() {
                    let name = "default".to_owned();
                    return Err(entry.error(ConfErrorKind::DuplicateName { what: "geo key", name }));
                }
            }
            "proxy" => {
                self.proxies.push(Network::parse(value).ok_or_else(|| entry.invalid(value, NETWORK))?);
            }
            "delete" => self.delete(entry, value)?,
            key => {
                let index = self.add_value(value);
                self.insert(entry, key, index)?;
            }
        }
        Ok(())
    }

    fn add_value(&mut self, value: &str) -> usize {
        self.values.push(value.to_owned());
        self.values.len() - 1
    }

    fn insert(&mut self, entry: &Directive, key: &str, index: usize) -> Result<(), ConfError> {
        match &mut self.ranges {
            AddressRanges::Spans(list) => {
                let (first, last) = span(key).ok_or_else(|| entry.invalid(key, SPAN))?;
                list.push((first, last, index));
            }
            AddressRanges::Prefixes(list) => {
                let (is_v6, bits, number) = prefix(key).ok_or_else(|| entry.invalid(key, NETWORK))?;
                let position = list.iter().position(|(own, length, _)| (*own, *length) == (is_v6, bits));
                let position = position.unwrap_or_else(|| {
                    list.push((is_v6, bits, HashMap::new()));
                    list.len() - 1
                });
                // as in nginx: the last of equal ones counts
                list[position].2.insert(number, index);
            }
        }
        Ok(())
    }

    fn delete(&mut self, entry: &Directive, key: &str) -> Result<(), ConfError> {
        match &mut self.ranges {
            AddressRanges::Spans(list) => {
                let deleted = span(key).ok_or_else(|| entry.invalid(key, SPAN))?;
                list.retain(|(first, last, _)| (*first, *last) != deleted);
            }
            AddressRanges::Prefixes(list) => {
                let (is_v6, bits, number) = prefix(key).ok_or_else(|| entry.invalid(key, NETWORK))?;
                for (own, length, numbers) in list {
                    if (*own, *length) == (is_v6, bits) {
                        numbers.remove(&number);
                    }
                }
            }
        }
        Ok(())
    }

    /// The value for an address; none is an address that is not known. Without a value it is empty.
    #[must_use]
    pub fn find(&self, address: Option<IpAddr>) -> &str {
        let found = address.map(|address| address.to_canonical()).and_then(|address| match &self.ranges {
            AddressRanges::Spans(list) => {
                let number = number_of(address);
                let spans = list.iter().filter(|_| address.is_ipv4());
                spans.clone().find(|(first, last, _)| (*first..=*last).contains(&number)).map(|(.., index)| *index)
            }
            AddressRanges::Prefixes(list) => list
                .iter()
                .filter(|(is_v6, ..)| *is_v6 == address.is_ipv6())
                .find_map(|(_, bits, numbers)| numbers.get(&masked(address, *bits)).copied()),
        });
        found.or(self.default).map_or("", |index| &self.values[index])
    }
}

fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn masked(address: IpAddr, bits: u32) -> u128 {
    let width = if address.is_ipv4() { 32 } else { 128 };
    number_of(address) & u128::MAX.checked_shl(width - bits).unwrap_or(0)
}

/// Whether it is IPv6, the length and the first address of a range.
fn prefix(text: &str) -> Option<(bool, u32, u128)> {
    match Network::parse(text)? {
        Network::Range { address, bits } => Some((address.is_ipv6(), bits, masked(address, bits))),
        Network::Unix => None,
    }
}

fn span(text: &str) -> Option<(u128, u128)> {
    let (first, last) = text.split_once('-')?;
    let number = |text: &str| text.parse::<std::net::Ipv4Addr>().ok().map(|address| u128::from(address.to_bits()));
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::variables::DefinedVariables;

    fn geo(entries: &str) -> Geo {
        let text = format!("geo $place {{ {entries} }}");
        let tree = lab_nginx_conf::parse(&text, Path::new("nginx.conf")).unwrap();
        let mut reader = ConfigReader::new(Path::new(""));
        let mut variables = DefinedVariables::default();
        variables.define("place");
        reader.variables = variables;
        Geo::read(&tree[0], &mut reader).unwrap().1
    }

    #[test]
    fn longest_prefix_decides() {
        let geo =
            geo("default none; 10.0.0.0/8 ten; 10.1.0.0/16 one; 10.1.2.3 host; fd00::/8 local; 10.2.0.0/16 two; \
                       delete 10.2.0.0/16;");
        for (address, expected) in [
            ("10.9.9.9", "ten"),
            ("10.1.9.9", "one"),
            ("10.1.2.3", "host"),
            ("::ffff:10.1.2.3", "host"),
            ("10.2.0.1", "ten"),
            ("11.0.0.1", "none"),
            ("fd12::1", "local"),
            ("::1", "none"),
        ] {
            assert_eq!(geo.find(Some(address.parse().unwrap())), expected, "{address}");
        }
        assert_eq!(geo.find(None), "none");
    }

    #[test]
    fn smallest_range_decides() {
        let geo = geo("ranges; 10.0.0.0-10.0.0.255 net; 10.0.0.5-10.0.0.9 part;");
        for (address, expected) in [("10.0.0.1", "net"), ("10.0.0.7", "part"), ("10.0.1.0", "")] {
            assert_eq!(geo.find(Some(address.parse().unwrap())), expected, "{address}");
        }
    }
}
