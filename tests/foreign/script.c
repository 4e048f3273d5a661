// Runs the JavaScript of standard input, which has one function of ours: `print`.

#include <stdio.h>
#include <stdlib.h>

#include "quickjs.h"

static JSValue print(JSContext *context, JSValueConst self, int count, JSValueConst *arguments) {
    (void)self;
    for (int index = 0; index < count; index++) {
        const char *text = JS_ToCString(context, arguments[index]);
        if (text == NULL) {
            return JS_EXCEPTION;
        }
        printf("%s%s", index == 0 ? "" : " ", text);
        JS_FreeCString(context, text);
    }
    putchar('\n');
    return JS_UNDEFINED;
}

int main(void) {
    static char source[1 << 20];
    size_t length = fread(source, 1, sizeof source - 1, stdin);
    JSRuntime *runtime = JS_NewRuntime();
    JS_SetMaxStackSize(runtime, 0);
    JSContext *context = JS_NewContext(runtime);
    JSValue global = JS_GetGlobalObject(context);
    JS_SetPropertyStr(context, global, "print", JS_NewCFunction(context, print, "print", 1));
    JS_FreeValue(context, global);
    JSValue result = JS_Eval(context, source, length, "<stdin>", JS_EVAL_TYPE_GLOBAL);
    int failed = JS_IsException(result);
    if (failed) {
        JSValue exception = JS_GetException(context);
        const char *text = JS_ToCString(context, exception);
        fprintf(stderr, "%s\n", text != NULL ? text : "an exception without a name");
        JS_FreeCString(context, text);
        JS_FreeValue(context, exception);
    }
    JS_FreeValue(context, result);
    JS_FreeContext(context);
    JS_FreeRuntime(runtime);
    return failed;
}
