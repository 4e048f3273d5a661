create table t(id integer primary key, name text, x real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
    insert into t select i, 'name ' || (i * 7919 % 1000), i * 1.5 from n;
create index by_name on t(name);
select count(*), sum(x), avg(x) from t;
select name, count(*) c, max(x) from t group by name order by c desc, name limit 5;
update t set x = x * 2 where id % 3 = 0;
select sum(x) from t;
select count(*) from t a join t b on a.name = b.name where a.id < b.id and a.id < $rows / 10;
select sum(length(printf('%.3f %s', x / 7, upper(name)))) from t where name like '%7%';
delete from t where id % 2 = 0;
vacuum;
select count(*), min(name), max(id) from t;
