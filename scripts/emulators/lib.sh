# Shared by the emulator scripts (sourced). Each script takes these options:
#   --port N   where to listen (its own default)
#   --exec     become the server instead of starting it in the background
#   --fetch    only download what is needed
# In the background: prints the pid when the server answers; `stop` ends all that were started.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
run_dir=$cache/run
mkdir -p "$run_dir"

mode=background
options() { # DEFAULT_PORT ARGUMENT...: sets port, mode and rest
    port=$1
    shift
    while [ $# -gt 0 ]; do
        case $1 in
        --port) port=$2; shift 2 ;;
        --exec | --fetch) mode=${1#--}; shift ;;
        -*) say "usage: ${0##*/} [--port N] [--exec|--fetch]"; exit 2 ;;
        *) break ;;
        esac
    done
    rest=("$@")
}

# maven_jars NAME GROUP ARTIFACT VERSION: the artifact and all that it needs, in one folder, once.
maven_jars() {
    jars=$cache/$1-$4
    mkdir -p "$jars"
    (
        flock 9
        [ ! -e "$jars/.complete" ] || exit 0
        install java=openjdk-17-jre-headless mvn=maven
        say "$1 $4: downloading by Maven (first use)"
        cat >"$jars/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>weir</groupId><artifactId>$1</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>$2</groupId><artifactId>$3</artifactId><version>$4</version>
  </dependency></dependencies>
</project>
POM
        mvn -B -q -f "$jars/pom.xml" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DoutputDirectory="$jars" -DincludeScope=runtime >&2
        touch "$jars/.complete"
    ) 9>"$jars/.lock"
}

listening() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# serve NAME COMMAND...: as --exec or in the background.
serve() {
    local name=$1 pid tries=900
    shift
    [ "$mode" != fetch ] || exit 0
    ! listening "$port" || die "$name: port $port is in use"
    [ "$mode" != exec ] || exec "$@"
    setsid "$@" >"$run_dir/$name-$port.log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$run_dir/$name-$port.pid"
    until listening "$port"; do
        kill -0 "$pid" 2>/dev/null || { tail -n 20 "$run_dir/$name-$port.log" >&2; die "$name: ended while starting"; }
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { kill "$pid"; die "$name: not ready after 90 s, see $run_dir/$name-$port.log"; }
        sleep 0.1
    done
    echo "$pid"
}
