//! Whole systems, with consoles in memory instead of terminals.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use limen_assembler::SourceFile;
use limen_isa::module::Module;
use limen_vm::device::{Console, Device, Entropy, SharedConsole};
use limen_vm::{Boot, Config, EngineKind, Machine, Mode, Outcome, Time, verify};

use super::image::DeviceSort;
use super::{BUILT_IN, Source};

/// Nobody waits longer than this for an answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a machine runs for each of the kills that it was asked to bear, at most, on a busy host.
const PER_KILL: Duration = Duration::from_millis(400);

/// A system that runs on a thread of its own, with the other ends of its consoles.
struct System {
    terminal: SharedConsole,
    control: SharedConsole,
    machine: thread::JoinHandle<Outcome>,
    shown: String,
}

impl System {
    /// The built-in system.
    fn boot(engine: EngineKind, time: Time) -> Self {
        Self::boot_manifest(limen_os_services::MANIFEST.to_owned(), PATIENCE, engine, time)
    }

    /// The built-in system, whose services may stop as often as they like, and are started again at once; for so many kills.
    fn boot_tireless(kills: u64, engine: EngineKind) -> Self {
        let patience = PATIENCE + PER_KILL * u32::try_from(kills).unwrap_or(u32::MAX);
        Self::boot_manifest(format!("{}{TIRELESS}", limen_os_services::MANIFEST), patience, engine, Time::Live)
    }

    /// The built-in system, whose services may take as long as a busy host does: one that is late by the host's clock is started
    /// again, and that shows.
    fn boot_patient(engine: EngineKind, time: Time) -> Self {
        let manifest = limen_os_services::MANIFEST.replace("deadline = \"100ms\"", "deadline = \"100s\"");
        assert_ne!(manifest, limen_os_services::MANIFEST);
        Self::boot_manifest(manifest, PATIENCE, engine, time)
    }

    /// A system that is stopped after so long a time.
    fn boot_manifest(manifest: String, patience: Duration, engine: EngineKind, time: Time) -> Self {
        let file = SourceFile::new(BUILT_IN, manifest);
        let source = Source { file, is_recorded: false, directory: PathBuf::from(".") };
        let image = source.image().unwrap_or_else(|_| panic!("the built-in system is sound"));
        let (terminal, control) = (SharedConsole::default(), SharedConsole::default());
        let console = |backend: &SharedConsole| Box::new(Console::new(backend.clone())) as Box<dyn Device>;
        let mut numbers = 0_u8..;
        let random = move |into: &mut [u8]| into.fill_with(|| numbers.next().unwrap_or_default());
        let devices = image.devices.iter().map(|sort| match sort {
            DeviceSort::Console => console(&terminal),
            DeviceSort::Control => console(&control),
            DeviceSort::Entropy => Box::new(Entropy::new(random.clone())),
            DeviceSort::Record => unreachable!("the built-in system does not record"),
        });
        let module = |bytes: &[u8], mode| {
            verify(Module::read(bytes).expect("the image's modules can be read"), mode).expect("they verify")
        };
        let kernel = module(&image.kernel, Mode::Kernel);
        let modules = image.modules.iter().map(|bytes| module(bytes, Mode::User)).collect();
        let boot = Boot { modules, segments: vec![image.plan.clone()], devices: devices.collect() };
        let machine = thread::spawn(move || {
            let config = Config { engine, time, deadline: Some(patience), ..Config::default() };
            let mut machine: Machine = limen_jit::machine(config).expect("the budget allows a machine");
            machine.boot_system(&kernel, boot).expect("the system boots")
        });
        Self { terminal, control, machine, shown: String::new() }
    }

    /// Waits until the terminal has shown a text behind what was waited for last; gives all up to there.
    fn wait_for(&mut self, text: &str) -> String {
        let begun = Instant::now();
        loop {
            self.shown += &String::from_utf8_lossy(&self.terminal.take_output());
            if let Some(at) = self.shown.find(text) {
                return self.shown.drain(..at + text.len()).collect();
            }
            let over = self.machine.is_finished() || begun.elapsed() > PATIENCE;
            assert!(!over, "the terminal does not show {text:?}, but: {:?}", self.shown);
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Types a line, and gives what is shown until the next prompt.
    fn enter(&mut self, line: &str) -> String {
        self.terminal.input(format!("{line}\r").as_bytes());
        self.wait_for("\n> ")
    }

    /// Asks the service `control` as its client 1, and gives the answer.
    fn ask(&self, request: &str) -> String {
        self.control.input(format!("1> {request}\n").as_bytes());
        let (begun, mut answer) = (Instant::now(), String::new());
        let is_last = |line: &str| line == "1 ok\n" || line.starts_with("1 error") && line.ends_with('\n');
        while !answer.split_inclusive('\n').any(is_last) {
            answer += &String::from_utf8_lossy(&self.control.take_output());
            assert!(begun.elapsed() < PATIENCE && !self.machine.is_finished(), "no whole answer, but: {answer:?}");
            thread::sleep(Duration::from_millis(2));
        }
        answer.lines().filter_map(|line| line.strip_prefix("1 ")).fold(String::new(), |text, line| text + line + "\n")
    }

    /// Kills a service, which may just be on its way back.
    fn kill(&self, victim: &str) {
        let begun = Instant::now();
        while self.ask(&format!("kill {victim}")) != "ok\n" && victim != "init" {
            assert!(begun.elapsed() < PATIENCE, "{victim} does not come back");
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Keeps a value by the prompt and has it shown. A terminal that is killed meanwhile forgets what was typed, so this is
    /// tried until it is answered.
    fn put_and_get(&mut self, value: u64) {
        let begun = Instant::now();
        loop {
            self.terminal.input(format!("put value {value}\rget value\r").as_bytes());
            let waited = Instant::now();
            while waited.elapsed() < Duration::from_millis(500) {
                self.shown += &String::from_utf8_lossy(&self.terminal.take_output());
                if self.shown.contains(&format!("> {value}\r\n")) {
                    self.shown.clear();
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
            assert!(begun.elapsed() < PATIENCE, "the store does not give {value}, but: {:?}", self.shown);
        }
    }

    /// What the accounts can still spend, once all services run.
    fn holdings(&self) -> String {
        let begun = Instant::now();
        loop {
            thread::sleep(Duration::from_millis(20));
            let services = self.ask("services");
            let field = |line: &str, wanted: &str| {
                let found = line.split('\t').find_map(|field| field.strip_prefix(wanted)).map(str::to_owned);
                found.unwrap_or_default()
            };
            let lines = services.lines().filter(|line| line.starts_with("=name="));
            if lines.clone().all(|line| ["running", "passive"].contains(&field(line, "state=").as_str())) {
                let name = |line: &str| field(line, "=name=");
                let sums = |line: &str| ["bytes=", "objects=", "contexts="].map(|wanted| field(line, wanted)).join(" ");
                return lines.map(|line| format!("{} {}\n", name(line), sums(line))).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "not all services come back: {services}");
        }
    }

    fn stop(mut self) -> (Outcome, String) {
        self.terminal.input(b"stop 7\r");
        let outcome = self.machine.join().expect("the machine's thread ends");
        self.shown += &String::from_utf8_lossy(&self.terminal.take_output());
        (outcome, self.shown)
    }
}

/// What is typed, and what must be among the answers.
const SCRIPT: [(&str, &str); 15] = [
    ("help", "stops the machine"),
    ("put greeting hello, world", "\n> "),
    ("get greeting", "\r\nhello, world\r\n"),
    ("get nothing", "there is no value under that key"),
    ("kill store", "\n> "),
    ("get greeting", "\r\nhello, world\r\n"),
    ("kill log", "\n> "),
    ("log", "\n> "),
    ("engine store interp", "\n> "),
    ("engine clock jit", "\n> "),
    ("services", "store        running   interp   8      1"),
    ("services", "names        passive   default  12     0"),
    ("wait 5", "\n> "),
    ("nonsense", "nonsense: there is no such command"),
    ("kill nobody", "there is no service of that name"),
];

fn transcript(engine: EngineKind, time: Time) -> String {
    let mut system = System::boot_patient(engine, time);
    let mut all = system.wait_for("\n> ");
    for (line, answer) in SCRIPT {
        let shown = system.enter(line);
        assert!(shown.contains(answer), "{line}: {shown:?}, {}, {time:?}", engine.name());
        all += &shown;
    }
    let (outcome, rest) = system.stop();
    assert_eq!(outcome, Outcome::Halted(7), "{}, {time:?}", engine.name());
    all + &rest
}

#[test]
fn a_session_is_the_same_on_every_engine() {
    let mut first = None;
    for engine in EngineKind::ALL {
        let shown = transcript(engine, Time::Virtual);
        assert_eq!(*first.get_or_insert_with(|| shown.clone()), shown, "{}", engine.name());
        transcript(engine, Time::Live);
    }
}

/// See [`System::boot_tireless`].
const TIRELESS: &str = "\n[group.system]\nrestarts = 1000000\nbackoff = { first = \"0ms\", most = \"0ms\" }\n";

/// `LIMEN_KILLS` kills of services and of init, at moments and in an order that follow from `LIMEN_KILLS_SEED`, while somebody
/// works at the prompt. What the store acknowledged is there, and in the end everybody holds what they held.
#[test]
fn any_server_may_be_killed_at_any_time() {
    let knob = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (kills, seed): (u64, u64) = (knob("LIMEN_KILLS", 300), knob("LIMEN_KILLS_SEED", 1));
    println!("LIMEN_KILLS={kills} LIMEN_KILLS_SEED={seed}");
    for engine in EngineKind::ALL {
        let mut system = System::boot_tireless(kills, engine);
        system.wait_for("\n> ");
        let (mut random, mut value) = (seed, 0_u64);
        let victims = ["store", "log", "clock", "entropy", "names", "terminal", "init"];
        // What lies in slots and tables grows to what is needed at first.
        victims.iter().for_each(|victim| system.kill(victim));
        let before = system.holdings();
        for _ in 0..kills {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if random >> 62 == 0 {
                value = random;
                system.put_and_get(value);
            }
            thread::sleep(Duration::from_micros((random >> 40) % 300));
            system.kill(victims[(random >> 33) as usize % victims.len()]);
        }
        system.put_and_get(value);
        assert_eq!(system.holdings(), before, "{}", engine.name());
        assert_eq!(system.stop().0, Outcome::Halted(7), "{}", engine.name());
    }
}

#[test]
fn calls_are_traced_by_the_names_of_their_interface() {
    let mut system = System::boot(EngineKind::Tiered, Time::Live);
    system.wait_for("\n> ");
    system.control.input(b"2> trace store\n3> trace log\n");
    let (begun, mut trace) = (Instant::now(), String::new());
    let wanted = [
        "\tcaller=prompt\tservice=store\tmethod=get\tevent=call\tstatus=0\t",
        "\tcaller=prompt\tservice=store\tmethod=get\tevent=answer\tstatus=1\t",
        "\tmethod=put\tevent=answer\tstatus=0\t",
    ];
    while !wanted.iter().all(|wanted| trace.contains(wanted)) {
        system.enter("get nothing");
        system.enter("put something else");
        trace += &String::from_utf8_lossy(&system.control.take_output());
        assert!(begun.elapsed() < PATIENCE, "not all is in the trace: {trace}");
    }
    let is_of = |line: &str, client: &str, service| line.starts_with(client) && line.contains(service);
    let is_right = |line| is_of(line, "2 ", "service=store") || is_of(line, "3 ", "service=log");
    let is_of_client = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    assert!(trace.lines().filter(is_of_client).all(is_right), "{trace}");
    // Others are answered while the traces go on, of which one then ends.
    let answer = system.ask("kill nobody");
    assert!(answer.ends_with("error there is no service of that name\n"), "{answer}");
    system.control.input(b"2 bye\n");
    assert_eq!(system.ask("kill store"), "ok\n");
    system.enter("get nothing");
    assert!(!system.ask("services").contains("method="), "nobody sees the store's calls any more");
    assert_eq!(system.stop().0, Outcome::Halted(7));
}

#[test]
fn control_answers_for_init() {
    let mut system = System::boot(EngineKind::Tiered, Time::Live);
    system.wait_for("\n> ");
    let services = system.ask("services");
    assert!(services.starts_with("=name=log\tstate=running\tengine="), "{services}");
    assert_eq!(system.ask("kill terminal"), "ok\n");
    assert!(system.ask("services").contains("=name=terminal\tstate=running\tengine=default\trestarts=1\t"));
    assert_eq!(system.ask("restart store"), "ok\n");
    assert_eq!(system.ask("engine store jit"), "ok\n");
    assert_eq!(system.ask("kill nobody"), "error there is no service of that name\n");
    assert_eq!(system.ask("dance"), "error there is no such request\n");
    assert_eq!(system.stop().0, Outcome::Halted(7));
}
