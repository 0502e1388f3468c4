# loopscope as a server on a network, without root and on a root that is only read:
#
#     docker build -t loopscope .
#     docker run --read-only --tmpfs /tmp -p 127.0.0.1:8501:8501 \
#         -v loopscope:/home/loopscope -v ~/Music/Loops:/sounds:ro loopscope
#
# compose.yaml puts a cluster beside it. `.ci/image` builds it, or where there is no docker takes the same steps in a bare Debian of its own, and tries it.
FROM debian:bookworm-slim AS build
ARG TORCH_BACKEND=cpu
ARG EXTRAS=app
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv
RUN python3 -m venv /opt/uv && /opt/uv/bin/pip install --no-cache-dir --quiet uv==0.13.9
RUN python3 -m venv /opt/loopscope
COPY constraints.txt requirements-clap.txt pyproject.toml README.md LICENSE app.py /src/
COPY .streamlit /src/.streamlit
COPY pages /src/pages
COPY assets /src/assets
COPY loopscope /src/loopscope
RUN cd /src && VIRTUAL_ENV=/opt/loopscope /opt/uv/bin/uv pip install --no-cache --quiet --constraint constraints.txt \
        ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} ".[$EXTRAS]" \
    && VIRTUAL_ENV=/opt/loopscope /opt/uv/bin/uv pip install --no-cache --quiet --no-deps -r requirements-clap.txt
RUN LOOPSCOPE_HOME=/opt/loopscope/seed /opt/loopscope/bin/python -m loopscope.checkpoints aisfx
# What nothing uses: tests, headers, PyTorch's tools but one. Bytecode is made in the volume when the app first starts.
RUN cd /opt/loopscope/lib/python3*/site-packages && rm -rf torch/include torch/test pyarrow/include pip pip-* \
    && find torch/bin -type f ! -name torch_shm_manager -delete \
    && find . -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} + \
    && chmod -R a+rX /opt/loopscope

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt \
    && useradd --uid 1000 --create-home loopscope && mkdir /sounds
COPY --from=build /opt/loopscope /opt/loopscope
COPY deploy/start deploy/healthy /usr/local/bin/
ENV HOME=/home/loopscope LOOPSCOPE_HOME=/home/loopscope LOOPSCOPE_ROOTS=/sounds PATH=/opt/loopscope/bin:$PATH
ENV PYTHONPYCACHEPREFIX=/home/loopscope/cache/python NUMBA_CACHE_DIR=/home/loopscope/cache/numba
USER loopscope
WORKDIR /home/loopscope
VOLUME ["/home/loopscope", "/sounds"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s CMD ["healthy"]
ENTRYPOINT ["start"]
