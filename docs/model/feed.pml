// SPDX-License-Identifier: Apache-2.0
/* feed.pml - one client that follows two channels through two nodes, by sequence ids.
 *
 * Writers enter revisions of two documents in the channel cache, each step as late as it likes; the
 * cache writer buries what nobody wrote and raises stable. The client's feed makes passes, is
 * woken or not, breaks off after any row and goes on at either node from the last id it was given.
 * Each node keeps copies of blocks for the counters it saw. No data is lost here: headgate.pml is
 * about that. A revision's number orders it among the revisions of its document (R2).
 *
 * Each rule of docs/fault-model.md is a switch of the same name (1 = on).
 */
#ifndef R1
#define R1    1  /* the counter is raised after the block is written                            */
#endif
#ifndef R6b
#define R6b   1  /* number 1 is the database's creation: stable begins at 1                     */
#endif
#ifndef R15a
#define R15a  1  /* a pass reads stable first                                                   */
#endif
#ifndef R15f
#define R15f  1  /* a pass in which a channel could not be checked is dropped, and begun anew   */
#endif
#ifndef R15b
#define R15b  1  /* entries without a sequence document are awaited                             */
#endif
#ifndef R15c
#define R15c  1  /* an advance of stable wakes mode stable, and feeds with a low part           */
#endif
#ifndef R17a
#define R17a  1  /* an id says low::seq above stable, not a plain number                        */
#endif
#ifndef R17b
#define R17b  1  /* a feed remembers what it sent above stable, by document                     */
#endif
#ifndef R17b_window
#define R17b_window 1 /* of a document only the newest entry of the whole window is sent        */
#endif
#ifndef R17b_low
#define R17b_low 1 /* a pass begins at the previous low, which is raised only after it          */
#endif
#ifndef R17b_mode
#define R17b_mode 1 /* mode stable reads as far as the client has seen, to know what is superseded */
#endif
#ifndef R17b_seen
#define R17b_seen 1 /* max_early does not end the window before what the client has seen        */
#endif
#ifndef MODE
#define MODE  0  /* 0 available, 1 stable, 2 chosen at each connection                          */
#endif
#ifndef CHANNELS
#define CHANNELS 1
#endif
#ifndef NODES
#define NODES 1
#endif
#ifndef RECONNECTS
#define RECONNECTS 1
#endif
#ifndef FAILS
#define FAILS 0  /* checks of a channel that fail                                               */
#endif
#ifndef GAPS
#define GAPS  1  /* numbers that nobody writes                                                  */
#endif
#ifndef MAX_EARLY
#define MAX_EARLY 9 /* entries above stable that a pass reads                                   */
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef MS
#define MS    5  /* numbers up to MS - 1                                                        */
#endif
#define BIT(s) (1 << (s))
#define MAX2(a, b) ((a) > (b) -> (a) : (b))
#define MIN2(a, b) ((a) < (b) -> (a) : (b))
#define UNKNOWN 255

byte ctr = R6b, stable = R6b;
byte block[2], counter[2];                 /* of the two channels                              */
byte live, dead, wrote;                    /* sequence documents; numbers written to the base  */
byte of_1, in_1;                          /* sets: numbers of document 1, in channel 1        */
byte latest[2];                            /* per document: its newest number                  */
byte gaps = GAPS, writing;
byte have[2];                              /* the client: newest number seen, per document     */

proctype Writer() {
  byte n; bit c;
  do
  :: atomic { ctr < MS - 1 -> ctr++; n = ctr;
       if :: gaps > 0 -> gaps--; n = 0
          :: true -> wrote = wrote | BIT(n);
               if :: true :: ctr > 1 + R6b -> of_1 = of_1 | BIT(n) fi;   /* the first: document 0 */
               if :: true :: CHANNELS > 1 -> in_1 = in_1 | BIT(n) fi;
               latest[(of_1 >> n) & 1] = n; c = (in_1 >> n) & 1
       fi;
       if :: n == 0 -> goto next :: else fi };
     if :: !R1 -> counter[c]++ :: else fi;
     block[c] = block[c] | BIT(n);
     if :: R1 -> counter[c]++ :: else fi;
     live = live | BIT(n);
next: atomic { n = 0; c = 0 }
  :: else -> break
  od
}

proctype CacheWriter() {
  do
  :: d_step { stable < MS - 1 && ((live | dead) & BIT(stable + 1)) -> stable++ }
  :: d_step { stable < ctr && !((live | dead | wrote) & BIT(stable + 1)) -> dead = dead | BIT(stable + 1) }
  od
}

#define DOC(n)   ((of_1 >> (n)) & 1)
#define AT(c)    (node * 2 + (c))
#define CHANGED  (seen[AT(0)] != counter[0] || (CHANNELS > 1 && seen[AT(1)] != counter[1]))
#define LOW_PART (high > safe || awaited)
#define WOKEN    (more || CHANGED || (R15b && (awaited & (live | dead))) ||                     \
                  (R15c && stable != last_stable && (mode || LOW_PART)))

proctype Client() {
  byte st, low, n, m, w, from, reach, early, rows, max_rows, i, value;
  byte safe, high, skip_to, last_stable, awaited;   /* the feed                                */
  byte sent[2];
  byte id_low, id_seq;                        /* the client's id, as printed: low 0 is absent   */
  byte seen[4] = UNKNOWN, copy[4];            /* the nodes: counters and blocks                 */
  byte fails = FAILS, reconnects = RECONNECTS; bit node, mode = (MODE == 1), more = 1;
#if MODE == 2
  if :: mode = 0 :: mode = 1 fi;
#endif
  do
  :: atomic { reconnects > 0 && id_seq > 0 -> reconnects--;          /* another connection      */
       if :: true :: NODES > 1 -> node = 1 - node fi;
       if :: MODE < 2 :: MODE == 2 -> mode = 0 :: MODE == 2 -> mode = 1 fi;
       d_step {
         safe = (id_low > 0 && id_low < id_seq -> id_low : id_seq); high = id_seq;
         skip_to = (high > safe -> high : 0);
         sent[0] = 0; sent[1] = 0; awaited = 0; more = 1; last_stable = 0 } }
  :: WOKEN ->                                                        /* a pass                  */
       if :: R15a -> d_step { st = stable; low = st; i = 0 } :: else -> d_step { low = MS; i = 0 } fi;
       do
       :: i < CHANNELS ->
            if
            :: atomic { fails > 0 -> fails--;
                 if :: R15f -> more = 1; st = 0; low = 0; i = 0; goto dropped :: else fi }
            :: value = counter[i];
               if :: value != seen[AT(i)] -> d_step { copy[AT(i)] = block[i]; seen[AT(i)] = value } :: else fi
            fi; d_step { i++; value = 0 }
       :: else -> break
       od;
       if :: R15a :: else -> d_step { st = stable; low = MIN2(low, st) } fi;
       atomic {
         if :: max_rows = 1 :: max_rows = MS fi;                     /* a page is full          */
         d_step {
           if :: st != safe -> skip_to = 0 :: else fi;
           if :: !R17b_low -> safe = MAX2(safe, low) :: else fi;
           from = MAX2(safe, skip_to); reach = MS; early = 0; awaited = 0; m = 0; n = from + 1;
           w = copy[AT(0)] | (CHANNELS > 1 -> copy[AT(1)] : 0);
           if :: mode && !(R17b_mode && high > st) -> reach = st :: else fi;
           do :: n < MS && n <= reach ->                             /* what the window holds   */
                   if :: (w & BIT(n)) && n > st && (!R17b_seen || n > high) -> early++ :: else fi;
                   if :: early > MAX_EARLY -> reach = n - 1
                      :: else ->
                           if :: w & live & BIT(n) -> m = m | BIT(n)
                              :: (w & BIT(n)) && !((live | dead) & BIT(n)) -> awaited = awaited | BIT(n)
                              :: else fi fi;
                   n++
              :: else -> break od;
           more = 0; rows = 0; n = from + 1;
           do :: n < MS && n <= reach && !(mode && n > st) && !more ->
                   if :: (m & BIT(n)) && !(R17b_window && (m & (DOC(n) -> of_1 : ~of_1) & ~(BIT(n + 1) - 1))) &&
                         !(R17b && n <= sent[DOC(n)]) ->
                           assert(n >= have[DOC(n)]);                                    /* I2 */
                           assert(n > have[DOC(n)] || reconnects < RECONNECTS);   /* no repeats */
                           have[DOC(n)] = n; high = MAX2(high, n);
                           if :: n > low -> sent[DOC(n)] = n :: else fi;
                           id_low = MIN2(n, low); id_seq = (high > st -> high : n);
                           if :: id_low >= id_seq || !R17a -> id_low = 0 :: else fi;
                           rows++; more = (rows == max_rows);
                           if :: more -> safe = MAX2(safe, MIN2(n, low)) :: else fi
                      :: else fi;
                   n++
              :: else -> break od;
           if :: !more -> safe = MAX2(safe, low) :: else fi;
           high = MAX2(high, safe);
           if :: sent[0] <= safe -> sent[0] = 0 :: else fi;
           if :: sent[1] <= safe -> sent[1] = 0 :: else fi;
           last_stable = st };
         if :: !more ->                                              /* or last_seq instead     */
              if :: true :: id_low = (safe < high && R17a -> safe : 0); id_seq = high fi
            :: else fi;
         d_step { if :: !R15b -> awaited = 0 :: else fi;
           st = 0; low = 0; n = 0; m = 0; w = 0; from = 0; reach = 0; early = 0; rows = 0; max_rows = 0; i = 0 } };
dropped: skip
  od
}

/* When nothing can move any more the client has every document's newest revision. */
proctype Judge() {
  timeout -> assert(have[0] == latest[0] && have[1] == latest[1])                   /* I1, I5 */
}

init { atomic {
  run Writer(); if :: WRITERS > 1 -> run Writer() :: else fi;
  if :: WRITERS > 2 -> run Writer() :: else fi;
  run CacheWriter(); run Client(); run Judge() } }
