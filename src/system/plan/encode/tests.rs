//! The plan read again, by a reader that knows the record sizes from their description alone.

use limen_isa::module::{Interface, Method};

use crate::system::image::DeviceSort;
use crate::system::manifest::{Account, Budget, Escalation, Group, Restart, Strategy};
use crate::system::plan::{DEFAULT_ENGINE, HALT, Plan, READ, Reference, Segment, Service, TRACE, Target, WRITE};

fn reference(slot: u32, target: Target) -> Reference {
    Reference { slot, target }
}

fn service(name: &str, references: Vec<Reference>) -> Service {
    Service {
        name: name.into(),
        module: 3,
        level: 8,
        budget: Some(Budget { time_us: 2000, period_us: 10_000 }),
        account: Account { bytes: (5 << 32) + 7, objects: 256, contexts: 4 },
        engine: 1,
        group: 1,
        restart: Restart::OnFailure,
        deadline_ms: 100,
        queue: 20,
        heartbeat_ms: 1000,
        references,
        interface: Some(0),
        is_passive: true,
    }
}

fn plan() -> Plan {
    let all = [
        Target::Account,
        Target::Endpoint,
        Target::Service(1),
        Target::Segment { index: 0, rights: READ | WRITE },
        Target::Device(1),
        Target::Supervisor,
        Target::Notification,
        Target::Machine { rights: HALT | TRACE },
        Target::Vault { slots: 99 },
        Target::Plan,
    ];
    let first = service("first", (10..).zip(all).map(|(slot, target)| reference(slot, target)).collect());
    let second = Service {
        budget: None,
        engine: DEFAULT_ENGINE,
        interface: None,
        is_passive: false,
        ..service("second", vec![reference(5, Target::Service(0)), reference(6, Target::Supervisor)])
    };
    let method =
        |number, name: &str| Method { number, name: name.into(), idempotent: number == 2, ..Method::default() };
    let own = Group {
        strategy: Strategy::RestForOne,
        restarts: 7,
        within_ms: 8,
        first_backoff_ms: 9,
        most_backoff_ms: 10,
        escalate: Escalation::StopSystem,
    };
    Plan {
        services: vec![first, second],
        groups: vec![("own".into(), own), ("system".into(), Group::default())],
        segments: vec![Segment { name: "values".into(), pages: 16, most: 64 }],
        devices: vec![("console".into(), DeviceSort::Console), ("random".into(), DeviceSort::Entropy)],
        interfaces: vec![
            Interface { name: "Store".into(), serves: true, methods: vec![method(1, "get"), method(2, "put")] },
            Interface { name: "Names".into(), serves: true, methods: vec![method(9, "find")] },
        ],
    }
}

struct Reader {
    bytes: Vec<u8>,
}

impl Reader {
    fn word(&self, offset: u32) -> u32 {
        let bytes = &self.bytes[offset as usize..offset as usize + 4];
        u32::from_le_bytes(bytes.try_into().expect("four bytes are a word"))
    }

    /// The words of a record of a table whose offset stands in a word of the header.
    fn record<const WORDS: usize>(&self, table: u32, index: u32) -> [u32; WORDS] {
        let begin = self.word(table * 4) + index * WORDS as u32 * 4;
        std::array::from_fn(|word| self.word(begin + word as u32 * 4))
    }

    fn text(&self, offset: u32, length: u32) -> &str {
        let bytes = &self.bytes[offset as usize..(offset + length) as usize];
        std::str::from_utf8(bytes).expect("names are UTF-8")
    }
}

fn read() -> Reader {
    Reader { bytes: plan().encode() }
}

#[test]
fn the_header_counts_and_places_the_tables() {
    let plan = read();
    let header: [u32; 16] = std::array::from_fn(|word| plan.word(word as u32 * 4));
    assert_eq!(header[..3], [0x4e4c_504c, 1, plan.bytes.len() as u32]);
    let counts = [header[3], header[5], header[7], header[9], header[11], header[13]];
    assert_eq!(counts, [2, 12, 2, 1, 2, 2]);
    let places = [header[4], header[6], header[8], header[10], header[12], header[14], header[15]];
    let sizes = [2 * 96, 12 * 32, 2 * 32, 16, 2 * 16, 2 * 16];
    assert_eq!(places[0], 64);
    for (place, size) in sizes.into_iter().enumerate() {
        assert_eq!(places[place + 1], places[place] + size, "table {place}");
    }
}

#[test]
fn services_are_records_of_24_words() {
    let plan = read();
    let first: [u32; 24] = plan.record(4, 0);
    assert_eq!(plan.text(first[0], first[1]), "first");
    assert_eq!(first[2..], [3, 8, 2000, 10_000, 7, 5, 256, 4, 1, 1, 1, 100, 1000, 0, 10, 1, 1, 20, 0, 0, 0, 0]);
    let second: [u32; 24] = plan.record(4, 1);
    assert_eq!(plan.text(second[0], second[1]), "second");
    assert_eq!(second[2..], [3, 8, 0, 0, 7, 5, 256, 4, 3, 1, 1, 100, 1000, 10, 2, 0, 0, 20, 0, 0, 0, 0]);
}

#[test]
fn references_are_records_of_8_words() {
    let plan = read();
    let records: Vec<[u32; 8]> = (0..12).map(|index| plan.record(6, index)).collect();
    let expected = [
        [10, 0, 0, 0, 0],
        [11, 1, 0, 0, 0],
        [12, 2, 1, 0, 1],
        [13, 3, 0, 3, 0],
        [14, 4, 1, 0, 0],
        [15, 5, 0, 0, 1],
        [16, 6, 0, 0, 0],
        [17, 7, 0, 12, 0],
        [18, 8, 0, 99, 0],
        [19, 9, 0, 0, 0],
        [5, 2, 0, 0, 2],
        [6, 5, 0, 0, 2],
    ];
    for (record, expected) in records.iter().zip(expected) {
        assert_eq!(record[..5], expected);
        assert_eq!(record[5..], [0; 3]);
    }
}

#[test]
fn things_have_names() {
    let plan = read();
    let group: [u32; 8] = plan.record(8, 0);
    assert_eq!((plan.text(group[0], group[1]), &group[2..]), ("own", &[1, 7, 8, 9, 10, 1][..]));
    let default: [u32; 8] = plan.record(8, 1);
    assert_eq!((plan.text(default[0], default[1]), &default[2..]), ("system", &[0, 5, 10_000, 1, 1000, 0][..]));
    let segment: [u32; 4] = plan.record(10, 0);
    assert_eq!((plan.text(segment[0], segment[1]), &segment[2..]), ("values", &[16, 64][..]));
    let device: [u32; 4] = plan.record(12, 1);
    assert_eq!((plan.text(device[0], device[1]), &device[2..]), ("random", &[2, 0][..]));
}

#[test]
fn interfaces_have_methods() {
    let plan = read();
    let interfaces: [[u32; 4]; 2] = [plan.record(14, 0), plan.record(14, 1)];
    assert_eq!(interfaces.map(|it| plan.text(it[0], it[1]).to_owned()), ["Store", "Names"]);
    assert_eq!(interfaces.map(|it| [it[2], it[3]]), [[0, 2], [2, 1]]);
    let methods: [[u32; 4]; 3] = [0, 1, 2].map(|index| plan.record(15, index));
    assert_eq!(methods.map(|it| plan.text(it[1], it[2]).to_owned()), ["get", "put", "find"]);
    assert_eq!(methods.map(|it| [it[0], it[3]]), [[1, 0], [2, 1], [9, 0]]);
}

#[test]
fn an_empty_plan_is_a_header() {
    assert_eq!(Plan::default().encode().len(), 64);
}
