#!/usr/bin/env bash
# Writes evals/test/goldens/ptb-tokens.tsv: captions of our own, and what Stanford's PTBTokenizer 3.4.1 makes of them.
# The jar is GPL: it is fetched outside the repository, and nothing of it is committed.
set -euo pipefail
cd "$(dirname "$0")"
jar=$HOME/.m2/repository/edu/stanford/nlp/stanford-corenlp/3.4.1/stanford-corenlp-3.4.1.jar
[ -f "$jar" ] || mvn -q dependency:get -Dartifact=edu.stanford.nlp:stanford-corenlp:3.4.1 -Dtransitive=false
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node captions.mjs "${1:-3000}" "${2:-1}" >"$work/captions"
java -Dfile.encoding=UTF-8 -cp "$jar" edu.stanford.nlp.process.PTBTokenizer -preserveLines -lowerCase "$work/captions" >"$work/tokens" 2>/dev/null
mkdir -p ../../../evals/test/goldens
paste "$work/captions" "$work/tokens" >"${3:-../../../evals/test/goldens/ptb-tokens.tsv}"
