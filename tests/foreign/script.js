print("hello", 1 / 3, [1, 2, 3].map(x => x * x), JSON.stringify({ a: [1, { b: null }] }));
class A { #p = 1; get p() { return this.#p; } static s = 5n ** 40n; }
print(new A().p, A.s);
function* fibonacci() { let [a, b] = [0, 1]; for (;;) { yield a; [a, b] = [b, a + b]; } }
const small = [];
for (const x of fibonacci()) { if (x > 1000) break; small.push(x); }
print(small);
print("a1b22c333".replace(/\d+/g, d => `<${d.length}>`), /(?<y>\d{4})-(?<m>\d\d)/u.exec("on 2024-05-06").groups.m);
print("straße".toUpperCase(), "\u{1F600}".length, new Date(0).toISOString());
const counts = new Map();
for (let i = 0; i < 2000; i++) counts.set("k" + i % 97, (counts.get("k" + i % 97) || 0) + i);
print(counts.size, counts.get("k5"));
try { null.x; } catch (error) { print(error instanceof TypeError, error.message); }
let state = 0;
for (let i = 0; i < 100000; i++) state = (state * 31 + i) % 1000003;
print(state, Math.sin(1), (0.1 + 0.2).toFixed(20), parseFloat("1e-7"));
print([5, 3, 9, 1].sort((a, b) => a - b), Object.entries({ x: 1, y: 2 }));
throw new RangeError("the end");
