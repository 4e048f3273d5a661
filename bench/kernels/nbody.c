// The sun and four planets for n steps of a hundredth of a day: floats in memory.

#include <stdint.h>
#include <string.h>

#define TIME_STEP 0.01

enum { BODIES = 5 };

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static const struct body first_bodies[BODIES] = {
    // the sun
    {0.0, 0.0, 0.0,
     0.0, 0.0, 0.0,
     39.47841760435743},
    // Jupiter
    {4.841431442464721, -1.1603200440274284, -0.10362204447112311,
     0.606326392995832, 2.81198684491626, -0.02521836165988763,
     0.03769367487038949},
    // Saturn
    {8.34336671824458, 4.124798564124305, -0.4035234171143214,
     -1.0107743461771437, 1.8256623712304119, 0.008415761376584154,
     0.011286326131968767},
    // Uranus
    {12.894369562139131, -15.111151401698631, -0.22330757889265573,
     1.0827910064415354, 0.8687130181696082, -0.010832637401363636,
     0.0017237240570597112},
    // Neptune
    {15.379697114850917, -25.919314609987964, 0.17925877295037118,
     0.979090732243898, 0.5946989986476762, -0.034755955504078104,
     0.0020336868699246304},
};

static struct body bodies[BODIES];

// Changes the velocities of every pair of bodies by what their gravity does in a step.
static void attract_all(void) {
    for (struct body *a = bodies; a < bodies + BODIES - 1; a++) {
        struct body first = *a;
        for (struct body *b = a + 1; b < bodies + BODIES; b++) {
            double dx = first.x - b->x, dy = first.y - b->y, dz = first.z - b->z;
            double square = dx * dx + dy * dy + dz * dz;
            double pull = TIME_STEP / (__builtin_sqrt(square) * square);
            double other = b->mass * pull;
            first.vx -= dx * other;
            first.vy -= dy * other;
            first.vz -= dz * other;
            pull = first.mass * pull;
            b->vx += dx * pull;
            b->vy += dy * pull;
            b->vz += dz * pull;
        }
        *a = first;
    }
}

// Moves every body as far as its velocity takes it in a step.
static void move_all(void) {
    for (struct body *body = bodies; body < bodies + BODIES; body++) {
        body->x += body->vx * TIME_STEP;
        body->y += body->vy * TIME_STEP;
        body->z += body->vz * TIME_STEP;
    }
}

// The sum of the coordinates of Neptune, bit by bit, depends on all that happened.
long long run(int n) {
    memcpy(bodies, first_bodies, sizeof bodies);
    do {
        attract_all();
        move_all();
    } while (--n != 0);
    const struct body *last = &bodies[BODIES - 1];
    double sum = last->x + last->y + last->z;
    int64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    return bits;
}
