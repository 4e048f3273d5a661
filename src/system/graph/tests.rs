use super::*;
use crate::system::manifest::{Account, Restart};
use crate::system::plan::{READ, Reference, Segment};

fn service(name: &str, targets: &[Target]) -> Service {
    let reference = |target: &Target| Reference { slot: 0, target: *target };
    Service {
        name: name.into(),
        module: 0,
        level: 8,
        budget: None,
        account: Account::default(),
        engine: 0,
        group: 0,
        restart: Restart::Always,
        deadline_ms: 0,
        queue: 0,
        heartbeat_ms: 0,
        references: targets.iter().map(reference).collect(),
        interface: None,
        is_passive: false,
    }
}

/// A driver, a store that calls it, a web server that calls the store, one that reads and one that writes what the store reads, and a
/// control service.
fn system() -> Graph {
    let segment = |index, rights| Target::Segment { index, rights };
    let plan = Plan {
        services: vec![
            service("disk", &[Target::Account, Target::Device(0)]),
            service("store", &[Target::Endpoint, Target::Service(0), segment(0, READ)]),
            service("web", &[Target::Service(1)]),
            service("reader", &[segment(0, READ)]),
            service("writer", &[segment(0, READ | WRITE)]),
            service("control", &[Target::Supervisor, Target::Machine { rights: 4 }]),
            service("alone", &[]),
        ],
        segments: vec![Segment { name: "values".into(), pages: 1, most: 1 }],
        devices: vec![("disk".into(), DeviceSort::Console)],
        ..Plan::default()
    };
    Graph::of(&plan)
}

#[track_caller]
fn answer(from: &str, to: &str) -> (bool, String) {
    let answer = system().can_reach(from, to).expect("the question makes sense");
    (answer.can, answer.text)
}

#[test]
fn calls_lead_on() {
    let path = "yes\n  service web calls service store\n  service store calls service disk\n  service disk drives device disk\n";
    assert_eq!(answer("web", "device.disk"), (true, path.into()));
    assert!(answer("web", "service.disk").0);
    assert_eq!(answer("web", "web"), (true, "yes: they are the same\n".into()));
}

#[test]
fn who_is_called_reaches_nobody_by_it() {
    let text =
        "no: what service disk reaches is this, and service web is not among it\n  service disk drives device disk\n";
    assert_eq!(answer("disk", "web"), (false, text.into()));
    assert_eq!(answer("alone", "web"), (false, "no: service alone is given nothing that leads anywhere\n".into()));
}

#[test]
fn memory_leads_on_if_it_is_written() {
    assert_eq!(answer("reader", "values"), (true, "yes\n  service reader reads segment values\n".into()));
    assert!(!answer("reader", "store").0);
    let path = "yes\n  service writer reads and writes segment values\n  segment values is read by service store\n  \
                service store calls service disk\n";
    assert_eq!(answer("writer", "service.disk"), (true, path.into()));
}

#[test]
fn being_stopped_is_not_being_asked() {
    let path = "yes\n  service control calls init\n  init starts and stops service web\n";
    assert_eq!(answer("control", "web"), (true, path.into()));
    assert!(!answer("control", "device.disk").0);
    assert!(answer("control", "machine").0);
    assert!(!answer("web", "machine").0);
}

#[test]
fn names_that_mean_nothing_or_much_are_refused() {
    assert!(system().can_reach("web", "disk").is_err());
    assert!(system().can_reach("values", "web").is_err());
    assert!(system().can_reach("web", "nothing").is_err());
    assert!(system().can_reach("web", "segment.disk").is_err());
}

#[test]
fn both_drawings_show_everything_that_is_given() {
    let (dot, svg) = (system().dot(), system().svg());
    for name in ["disk", "store", "web", "reader", "writer", "control", "alone", "values", "init", "machine"] {
        assert!(dot.contains(&format!("label=\"{name}\"")), "{name}: {dot}");
        assert!(svg.contains(name), "{name}: {svg}");
    }
    assert_eq!(dot.matches(" -> ").count(), 8, "{dot}");
    assert_eq!(svg, system().svg(), "the same system is drawn in the same way");
}

/// Whatever calls whom, there is a picture.
#[test]
fn every_graph_can_be_drawn() {
    for seed in 0..200_u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let count = 1 + random(9);
        let services = (0..count).map(|index| {
            let targets: Vec<_> = (0..random(4)).map(|_| Target::Service(random(count) as u32)).collect();
            service(&format!("s{index}"), &targets)
        });
        let graph = Graph::of(&Plan { services: services.collect(), ..Plan::default() });
        assert!(graph.svg().contains("</svg>"), "seed {seed}");
    }
    assert!(Graph::of(&Plan::default()).svg().contains("</svg>"));
}
