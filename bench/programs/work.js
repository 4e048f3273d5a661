// Calls, objects, arrays, strings, closures and floats, `tenths` times as much as for a first look.

function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
let sum = 0;
for (let i = 0; i < tenths; i++) sum += fib(18);
print("fib", sum);

class Point {
    constructor(x, y) { this.x = x; this.y = y; }
    add(other) { return new Point(this.x + other.x, this.y + other.y); }
}
let point = new Point(0, 0);
const step = new Point(0.5, 0.25);
for (let i = 0; i < tenths * 2000; i++) point = point.add(step);
print("points", point.x, point.y);

const words = [];
let state = 12345;
for (let i = 0; i < tenths * 400; i++) {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    words.push(state.toString(16));
}
words.sort();
const counts = new Map();
for (const word of words) counts.set(word[0], (counts.get(word[0]) || 0) + word.length);
print("words", words[0], words.at(-1), [...counts].join());

const numbers = new Float64Array(256);
for (let round = 0; round < tenths * 10; round++) {
    for (let i = 1; i < 255; i++) numbers[i] = (numbers[i - 1] + numbers[i + 1] + i * 0.01) / 2;
}
print("numbers", numbers[128].toFixed(6));

let text = "";
for (let i = 0; i < tenths * 200; i++) text += i + ":" + "x".repeat(i % 17) + ",";
let found = 0;
for (const [, number, tail] of text.matchAll(/(\d+):(x*)/g)) found += number * tail.length;
print("patterns", text.length, found, JSON.stringify(JSON.parse("[" + "1,".repeat(tenths * 100) + "2]")).length);
