-- Calls, tables, strings, closures and floats, `tenths` times as much as for a first look.

local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
local sum = 0
for _ = 1, tenths do sum = sum + fib(20) end
print("fib", sum)

local function queens(all, columns, up, down)
    if columns == all then return 1 end
    local count, free = 0, all & ~(columns | up | down)
    while free ~= 0 do
        local bit = free & -free
        free = free ~ bit
        count = count + queens(all, columns | bit, (up | bit) << 1, (down | bit) >> 1)
    end
    return count
end
for _ = 1, tenths do sum = sum + queens(127, 0, 0, 0) end
print("queens", sum)

local words, state = {}, 12345
for i = 1, tenths * 1000 do
    state = (state * 1103515245 + 12345) % 2147483648
    words[i] = string.format("%x", state)
end
table.sort(words)
local counts = {}
for _, word in ipairs(words) do
    local head = word:sub(1, 2)
    counts[head] = (counts[head] or 0) + #word
end
print("words", words[1], words[#words], counts["1a"])

local Point = {}
Point.__index = Point
function Point.new(x, y) return setmetatable({ x = x, y = y }, Point) end
function Point:add(other) return Point.new(self.x + other.x, self.y + other.y) end
local point, step = Point.new(0, 0), Point.new(0.5, 0.25)
for _ = 1, tenths * 5000 do point = point:add(step) end
print("points", point.x, point.y)

local inside = 0
for y = 1, tenths * 2 do
    for x = 1, 60 do
        local cr, ci, zr, zi, n = x / 30 - 1.5, y / tenths - 1, 0.0, 0.0, 0
        while n < 50 and zr * zr + zi * zi < 4 do zr, zi, n = zr * zr - zi * zi + cr, 2 * zr * zi + ci, n + 1 end
        if n == 50 then inside = inside + 1 end
    end
end
print("mandelbrot", inside)

local parts = {}
for i = 1, tenths * 300 do parts[#parts + 1] = ("%d:%s"):format(i, ("x"):rep(i % 17)) end
local text, found = table.concat(parts, ","), 0
for number, tail in text:gmatch("(%d+):(x*)") do found = found + tonumber(number) * #tail end
print("patterns", #text, found, select(2, text:gsub("xx", "y")))
