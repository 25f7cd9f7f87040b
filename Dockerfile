# harness on a CPU, or on CUDA with a torch index of your own:
#   docker build -t harness .
#   docker build -t harness --build-arg TORCH_INDEX=<the index of a CUDA build of torch> .
#   docker run --rm -v "$PWD:/work" harness run pocket-ninja
FROM python:3.11-slim

ARG EXTRAS=cuda,curate,dashboard,ray,serve,taggers,trackers
# Empty: torch as the default index has it.
ARG TORCH_INDEX=

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HF_HOME=/models \
    HARNESS_STORE=/work/.harness/store

WORKDIR /opt/harness
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY harness harness
COPY recipes recipes
COPY prompts prompts
COPY dashboard dashboard
COPY reports reports
RUN if [ -n "$TORCH_INDEX" ]; then pip install --index-url "$TORCH_INDEX" torch torchvision; fi \
    && pip install -c constraints.txt ".[$EXTRAS]"

RUN useradd --create-home --uid 1000 harness \
    && mkdir -p /models /work/mlflow \
    && chown -R harness:harness /models /work
USER harness
VOLUME ["/models", "/work"]
WORKDIR /work

# 8501: dashboard. 8700: serve.
EXPOSE 8501 8700
HEALTHCHECK --interval=60s --timeout=20s --start-period=20s CMD ["harness", "list", "recipes"]
ENTRYPOINT ["harness"]
CMD ["--help"]
