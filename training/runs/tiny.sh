#!/usr/bin/env bash
# Every stage once, with a toy of a model: about three minutes on two cores. It shows that the pipeline
# works, not that the model can talk.
#
#   training/runs/tiny.sh DATA RUN
set -euo pipefail

DATA=${1:?"usage: training/runs/tiny.sh DATA RUN"}
RUN=${2:?"usage: training/runs/tiny.sh DATA RUN"}
PYTHON=${PYTHON:-python}

mkdir -p "$RUN/generated"
"$PYTHON" -m training.generator --out "$RUN/generated/train.jsonl.zst" --conversations 2000 \
    --seed 1 --split train --data "$DATA"
"$PYTHON" -m training.generator --out "$RUN/generated/held_out.jsonl.zst" --conversations 100 \
    --seed 7 --split held_out --data "$DATA"

"$PYTHON" -m training.tokenizer --data "$RUN" --mixture training/mixtures/tiny.toml \
    --out "$RUN/tokenizer" --vocab-size 1024
"$PYTHON" -m training.data --data "$RUN" --mixture training/mixtures/tiny.toml \
    --tokenizer "$RUN/tokenizer" --out "$RUN/shards"

"$PYTHON" -m training.pretrain --shards "$RUN/shards" --tokenizer "$RUN/tokenizer" \
    --out "$RUN/pretrain" --model nano --steps 80 --accumulate 1 --length 128 --warmup-steps 5 \
    --learning-rate 5e-3 --validate-every 40
"$PYTHON" -m training.sft --shards "$RUN/shards" --tokenizer "$RUN/tokenizer" \
    --model "$RUN/pretrain/model" --out "$RUN/sft" --steps 40 --accumulate 1 --length 128 \
    --warmup-steps 5 --schedule linear --validate-every 0

"$PYTHON" -m training.evaluate --model "$RUN/sft/model" --shards "$RUN/shards"

"$PYTHON" -m training.export --checkpoint "$RUN/sft/model" --out "$RUN/exported" --name tiny \
    --run "$RUN/pretrain" "$RUN/sft" --mixture training/mixtures/tiny.toml \
    --held-out "$RUN/shards" --force
