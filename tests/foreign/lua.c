// Runs the Lua of standard input.

#include <stdio.h>

#include "lauxlib.h"
#include "lua.h"
#include "lualib.h"

static int traceback(lua_State *state) {
    luaL_traceback(state, state, lua_tostring(state, 1), 1);
    return 1;
}

int main(void) {
    lua_State *state = luaL_newstate();
    luaL_openlibs(state);
    lua_pushcfunction(state, traceback);
    int failed = luaL_loadfile(state, NULL) != LUA_OK || lua_pcall(state, 0, 0, 1) != LUA_OK;
    if (failed) {
        fprintf(stderr, "%s\n", lua_tostring(state, -1));
    }
    lua_close(state);
    return failed;
}
