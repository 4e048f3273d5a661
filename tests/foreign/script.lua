-- Errors, from and through everything that can be called.
print(pcall(error, "plain"))
print(pcall(error, setmetatable({}, { __tostring = function() return "object" end })))
print(select("#", pcall(error)))
local function depth(n) if n == 0 then error("deep", 0) end return depth(n - 1) + 1 end
print(pcall(depth, 150))
print(xpcall(depth, function(message) return "handled " .. message end, 10))
local function overflow() return overflow() + 1 end
print(pcall(overflow) == false)
print(pcall(string.rep, "x", -1))
print(pcall(string.format, "%d", 1.5))
print(pcall(function() local a = nil; return a.b end))
print(pcall(function() return 1 // 0 end))
print(load("return 6 * 7")())
print(load("return 6 *"))
print(pcall(table.sort, { 3, 1, "x" }))

-- What is closed while an error passes.
do
    local log = {}
    local function closing(name)
        return setmetatable({}, { __close = function(_, e) log[#log + 1] = name .. ":" .. tostring(e) end })
    end
    print(pcall(function()
        local a <close> = closing("a")
        local b <close> = closing("b")
        error("inside", 0)
    end), table.concat(log, " "))
end

-- Coroutines, which yield across protected calls and iterators.
local function numbers(n)
    return coroutine.wrap(function()
        for i = 1, n do
            local ok, sent = pcall(coroutine.yield, i)
            if sent == "stop" then error("stopped at " .. i, 0) end
        end
    end)
end
local sum = 0
for i in numbers(1000) do sum = sum + i end
print(sum)
local next_number = numbers(5)
print(next_number(), next_number(), pcall(next_number, "stop"))
local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() print("closed") end }); coroutine.yield(1) end)
print(coroutine.resume(co)); print(coroutine.close(co) and coroutine.status(co))

-- Strings, tables, numbers.
print(("the quick brown fox"):gsub("%w+", function(word) return #word > 3 and word:upper() or nil end))
print(string.format("%5.2f|%-6s|%q|%x|%g", 3.14159, "left", 'a "quoted"\n', 255, 1e100))
print(string.unpack("<i4 z s2", string.pack("<i4 z s2", -2, "zero", "counted")))
print(math.maxinteger + 1 == math.mininteger, 7 // -2, 7 % -2, -7.5 % 2, 1 << 62, 3 | 4, "10" + 5)
print(utf8.char(228, 8364, 128512), utf8.len("äöü"), #"äöü")
local words = {}
for word in ("one two three four five six seven"):gmatch("%a+") do words[#words + 1] = word end
table.sort(words, function(a, b) return #a < #b or #a == #b and a < b end)
print(table.concat(words, ","), table.unpack(words, 2, 4))

-- Something to do: queens, a sieve, and the collector.
local function queens(n)
    local count, columns, up, down = 0, {}, {}, {}
    local function place(row)
        if row > n then count = count + 1 return end
        for column = 1, n do
            if not (columns[column] or up[row + column] or down[row - column + n]) then
                columns[column], up[row + column], down[row - column + n] = true, true, true
                place(row + 1)
                columns[column], up[row + column], down[row - column + n] = nil, nil, nil
            end
        end
    end
    place(1)
    return count
end
print(queens(7))
local prime, primes = {}, 0
for i = 2, 30000 do
    if prime[i] == nil then
        primes = primes + 1
        for j = i * i, 30000, i do prime[j] = false end
    end
end
print(primes)
local weak = setmetatable({}, { __mode = "k" })
for i = 1, 1000 do weak[{}] = { tostring(i):rep(10) } end
collectgarbage()
print(next(weak), collectgarbage("count") < 10000)
goto finish
print("not reached")
::finish::
error("the end", 0)
