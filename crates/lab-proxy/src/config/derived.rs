//! Variables whose values follow from others: `map`, `geo` and `split_clients`.

use super::geo::Geo;
use super::map::Map;
use super::reader::ConfigReader;
use super::split_clients::SplitClients;
use lab_nginx_conf::Directive;

#[derive(Debug)]
pub enum DerivedVariable {
    Map(Map),
    Geo(Geo),
    SplitClients(SplitClients),
}

impl DerivedVariable {
    /// Whether the value is looked up whenever it is read.
    #[must_use]
    pub fn is_volatile(&self) -> bool {
        matches!(self, DerivedVariable::Map(map) if map.is_volatile)
    }
}

/// Reads the blocks, by the slots of their variables.
pub(crate) fn read(http: &[Directive], reader: &mut ConfigReader<'_>) -> Vec<Option<DerivedVariable>> {
    let mut list: Vec<Option<DerivedVariable>> = Vec::new();
    list.resize_with(reader.variables.count(), || None);
    for directive in http {
        let read = match directive.name.as_str() {
            "map" => Map::read(directive, reader).map(|(slot, map)| (slot, DerivedVariable::Map(map))),
            "geo" => Geo::read(directive, reader).map(|(slot, geo)| (slot, DerivedVariable::Geo(geo))),
            "split_clients" => SplitClients::read(directive, reader)
                .map(|(slot, clients)| (slot, DerivedVariable::SplitClients(clients))),
            _ => continue,
        };
        if let Some((slot, variable)) = reader.keep(read) {
            list[slot] = Some(variable);
        }
    }
    list
}
